# SPDX-License-Identifier: BSD-3-Clause
# What is generated from the description of the JSON-RPC methods and kept in the tree.

RPC_DOCS := docs/rpc.md docs/man/stintctl.1 completions/stintctl.bash

.PHONY: docs
docs: ## Make the reference, stintctl's man page and its completion anew from rpc/schema.json
	@scripts/gen-rpc --md rpc/schema.json > docs/rpc.md
	@scripts/gen-rpc --man rpc/schema.json > docs/man/stintctl.1
	@scripts/gen-rpc --bash rpc/schema.json > completions/stintctl.bash

.PHONY: lint-generated
lint-generated:
	@scripts/gen-rpc --check rpc/schema.json $(RPC_DOCS)
lint: lint-generated
