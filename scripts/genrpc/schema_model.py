# SPDX-License-Identifier: BSD-3-Clause
"""Reads the description of the JSON-RPC methods, writes its shorthands out and checks it."""
import copy
import json
import pathlib
import re

EFFECTS = ('none', 'runtime', 'config')
SCALARS = ('string', 'integer', 'number', 'boolean')
INT64_MAX = 2 ** 63 - 1


class SchemaError(SystemExit):
    def __init__(self, text):
        super().__init__(f'rpc/schema.json: {text}')


def no_duplicates(pairs):
    result = {}
    for key, value in pairs:
        if key in result:
            raise SchemaError(f'key "{key}" twice')
        result[key] = value
    return result


class Model:
    """doc is what is published; methods, schemas, groups are its parts; errors by message."""

    def __init__(self, source):
        self.source = source
        parts = source['components']
        self.groups = parts['x-groups']
        self.field_groups = parts['x-fieldGroups']
        self.errors = {e['message']: e for e in parts['x-errors']}
        self.events = source['x-events']
        self.schemas = {}
        for name, schema in parts['schemas'].items():
            self.schemas[name] = self.resolve(schema)
        self.methods = [self.method(m) for m in source['methods']]
        self.doc = {
            'openrpc': source['openrpc'], 'info': source['info'], 'methods': self.methods,
            'components': {'schemas': {n: s for n, s in self.schemas.items()
                                       if s['type'] not in SCALARS}},
            'x-events': self.events,
        }

    def lookup(self, name):
        schemas = self.source['components']['schemas']
        if name not in schemas:
            raise SchemaError(f'no schema "{name}"')
        return schemas[name]

    def resolve(self, schema):
        """Scalars are written out where they are used, objects stay references."""
        schema = copy.deepcopy(schema)
        if '$ref' in schema:
            name = schema.pop('$ref')
            target = self.lookup(name)
            if target['type'] not in SCALARS:
                return {'$ref': f'#/components/schemas/{name}', **schema}
            return {**target, **schema, 'x-name': name}
        if schema['type'] == 'array':
            schema['items'] = self.resolve(schema['items'])
        if schema['type'] == 'object':
            properties = {}
            for key, value in schema['properties'].items():
                if key == '$group':
                    for field, sub in self.field_groups[value].items():
                        properties[field] = self.resolve(sub)
                else:
                    properties[key] = self.resolve(value)
            schema['properties'] = properties
            schema['required'] = [k for k, v in properties.items() if not v.pop('x-optional', 0)]
            extra = schema.get('additionalProperties', False)
            if isinstance(extra, dict):
                extra = self.resolve(extra)
            schema['additionalProperties'] = extra
        return schema

    def params(self, entries):
        result = []
        for entry in entries:
            if '$group' in entry:
                for param in self.groups[entry['$group']]:
                    schema = self.resolve(param['schema'])
                    if param['name'] in entry.get('defaults', {}):
                        schema['default'] = entry['defaults'][param['name']]
                    result.append({'name': param['name'], 'required': False, 'schema': schema,
                                   'x-group': entry['$group']})
            else:
                result.append({'name': entry['name'], 'required': entry.get('required', False),
                               'schema': self.resolve(entry['schema'])})
        return result

    def method(self, m):
        examples = []
        for i, e in enumerate(m['examples']):
            examples.append({'name': f'{m["name"]}-{i + 1}',
                             'params': [{'name': k, 'value': v} for k, v in e['params'].items()],
                             'result': {'name': 'result', 'value': e['result']}})
        result = {'name': m['name'], 'summary': m['summary']}
        if 'description' in m:
            result['description'] = m['description']
        for name in m['errors']:
            if name not in self.errors:
                raise SchemaError(f'{m["name"]}: no error "{name}"')
        errors = [{'code': self.errors[e]['code'], 'message': e} for e in m['errors']]
        result.update({
            'paramStructure': 'by-name', 'params': self.params(m['params']),
            'result': {'name': 'result', 'schema': self.resolve(m['result'])},
            'errors': errors, 'examples': examples, 'x-effect': m['x-effect'],
            'x-cli': cli_words(m), 'x-served-by': m.get('x-served-by', 'handler'),
        })
        return result

    def target(self, schema):
        """The schema that a (resolved) reference stands for."""
        if '$ref' in schema:
            return self.schemas[schema['$ref'].rsplit('/', 1)[1]]
        return schema


def cli_words(m):
    """port_create is `stintctl port create`, budget_get_bound is `stintctl budget get-bound`; a noun
    of two words is named by x-cli: security_group_create is `stintctl security-group create`."""
    noun = m.get('x-cli', {}).get('noun') or re.split(r'[_.]', m['name'], maxsplit=1)[0]
    verb = m['name'][len(noun) + 1:]
    return {'command': [noun.replace('_', '-'), verb.replace('_', '-')],
            'positional': m.get('x-cli', {}).get('positional', [])}


def validate(model, schema, value, where):
    schema = model.target(schema)
    kind = schema['type']
    types = {'string': str, 'integer': int, 'boolean': bool, 'array': list, 'object': dict,
             'number': (int, float)}
    if not isinstance(value, types[kind]) or (kind != 'boolean' and isinstance(value, bool)):
        raise SchemaError(f'{where}: {value!r} is not of type {kind}')
    if kind == 'array':
        for i, item in enumerate(value):
            validate(model, schema['items'], item, f'{where}[{i}]')
    elif kind == 'object':
        validate_object(model, schema, value, where)
    elif kind == 'string':
        size = len(value.encode())
        if not schema.get('minLength', 0) <= size <= schema.get('maxLength', size):
            raise SchemaError(f'{where}: length of {value!r}')
        if 'pattern' in schema and not re.search(schema['pattern'], value):
            raise SchemaError(f'{where}: {value!r} does not match {schema["pattern"]}')
        if 'enum' in schema and value not in schema['enum']:
            raise SchemaError(f'{where}: {value!r} is none of {schema["enum"]}')
    elif kind in ('integer', 'number'):
        if not schema.get('minimum', value) <= value <= schema.get('maximum', value):
            raise SchemaError(f'{where}: {value} is out of range')


def validate_object(model, schema, value, where):
    for key in schema['required']:
        if key not in value:
            raise SchemaError(f'{where}: "{key}" is missing')
    for key, item in value.items():
        sub = schema['properties'].get(key, schema['additionalProperties'])
        if sub is False:
            raise SchemaError(f'{where}: "{key}" is unknown')
        if sub is not True:
            validate(model, sub, item, f'{where}.{key}')


def check_param(method, param):
    where = f'{method}.{param["name"]}'
    schema = param['schema']
    if not re.fullmatch(r'[a-z][a-z0-9_]*', param['name']):
        raise SchemaError(f'{where}: not a name for a parameter')
    if schema['type'] not in ('string', 'integer', 'boolean'):
        raise SchemaError(f'{where}: parameters are strings, integers or booleans')
    if schema['type'] == 'string' and 'enum' not in schema and 'maxLength' not in schema:
        raise SchemaError(f'{where}: a string needs maxLength')
    if schema['type'] == 'integer':
        if 'minimum' not in schema or 'maximum' not in schema or schema['maximum'] > INT64_MAX:
            raise SchemaError(f'{where}: an integer needs minimum and maximum of 64 bits')
    if re.search(r'\\|\(\?', schema.get('pattern', '')):
        raise SchemaError(f'{where}: pattern must be a POSIX extended regular expression')


def check_method(model, m):
    name = m['name']
    if not re.fullmatch(r'[a-z]+(_[a-z]+)+|rpc\.[a-z]+', name):
        raise SchemaError(f'{name}: not a name for a method')
    if m['x-effect'] not in EFFECTS:
        raise SchemaError(f'{name}: x-effect is one of {EFFECTS}')
    names = [p['name'] for p in m['params']]
    if len(set(names)) != len(names):
        raise SchemaError(f'{name}: a parameter twice')
    for p in m['params']:
        check_param(name, p)
        if 'default' in p['schema']:
            validate(model, p['schema'], p['schema']['default'], f'{name}.{p["name"]}.default')
    if not set(m['x-cli']['positional']) <= set(names):
        raise SchemaError(f'{name}: positional argument that is no parameter')
    if not m['examples']:
        raise SchemaError(f'{name}: no example')
    params = {'type': 'object', 'properties': {p['name']: p['schema'] for p in m['params']},
              'required': [p['name'] for p in m['params'] if p['required']],
              'additionalProperties': False}
    for e in m['examples']:
        given = {p['name']: p['value'] for p in e['params']}
        validate(model, params, given, f'{e["name"]}.params')
        validate(model, m['result']['schema'], e['result']['value'], f'{e["name"]}.result')


def check_errors(model, path):
    """The codes that handlers can answer are those of base/err.def."""
    text = (pathlib.Path(path).resolve().parent.parent / 'base' / 'err.def').read_text()
    for code, message in re.findall(r'^X\(\w+, (-\d+), \w+, "([^"]+)"\)', text, re.M):
        if message not in model.errors or model.errors[message]['code'] != int(code):
            raise SchemaError(f'error {code} "{message}" of base/err.def is not described')


def load(path):
    source = json.loads(pathlib.Path(path).read_text(), object_pairs_hook=no_duplicates)
    model = Model(source)
    names = [m['name'] for m in model.methods]
    if len(set(names)) != len(names):
        raise SchemaError('a method twice')
    for m in model.methods:
        check_method(model, m)
    for name, schema in model.schemas.items():
        for column in schema.get('x-table', []):
            if column != '*' and column not in schema['properties']:
                raise SchemaError(f'{name}: table column "{column}" is no property')
    check_errors(model, path)
    return model
