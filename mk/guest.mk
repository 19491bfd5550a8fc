# SPDX-License-Identifier: BSD-3-Clause
# Guests: the image that tests and demo boot, and the demo.

.PHONY: images
images: ## Build the test guest's kernel and initramfs (cached)
	@vm-images/build build/images

.PHONY: demo
demo: deps ## Four libvirt domains on two hosts talk through the switches; everything is stopped afterwards
	@$(MAKE) --no-print-directory build images
	@scripts/demo --build $(BUILD)
