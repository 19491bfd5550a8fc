# SPDX-License-Identifier: BSD-3-Clause
# Installation: PREFIX and DESTDIR as usual.

INSTALL := install
UNITDIR ?= $(PREFIX)/lib/systemd/system
HOOKDIR ?= $(PREFIX)/share/stint

.PHONY: install
install: build ## Install (PREFIX, DESTDIR): programs, XDP program, systemd unit, man pages, completion, hook
	$(INSTALL) -d $(DESTDIR)$(PREFIX)/sbin $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(UNITDIR) \
		$(DESTDIR)$(PREFIX)/share/man/man1 $(DESTDIR)$(PREFIX)/share/man/man8 \
		$(DESTDIR)$(PREFIX)/share/bash-completion/completions $(DESTDIR)$(HOOKDIR) \
		$(DESTDIR)$(PREFIX)/lib/stint/xdp
	$(INSTALL) -m 755 $(BUILD)/stintd $(DESTDIR)$(PREFIX)/sbin/stintd
	$(INSTALL) -m 755 $(BUILD)/stintctl $(DESTDIR)$(PREFIX)/bin/stintctl
	$(INSTALL) -m 644 $(XDP_OBJ) $(DESTDIR)$(PREFIX)/lib/stint/xdp/uplink.o
	$(INSTALL) -m 755 scripts/libvirt-hook-qemu $(DESTDIR)$(HOOKDIR)/libvirt-hook-qemu
	$(INSTALL) -m 644 docs/examples/domain.xml $(DESTDIR)$(HOOKDIR)/domain.xml
	$(INSTALL) -m 644 completions/stintctl.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/stintctl
	$(INSTALL) -m 644 docs/man/stintctl.1 $(DESTDIR)$(PREFIX)/share/man/man1/
	$(INSTALL) -m 644 docs/man/stintd.8 $(DESTDIR)$(PREFIX)/share/man/man8/
	sed 's|@PREFIX@|$(PREFIX)|g' docs/stintd.service.in > $(BUILD)/stintd.service
	$(INSTALL) -m 644 $(BUILD)/stintd.service $(DESTDIR)$(UNITDIR)/stintd.service
