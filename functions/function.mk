# How `sam build` packs a function: it asks each folder's Makefile for `build-` and the function's name in the template.
include $(dir $(abspath $(lastword $(MAKEFILE_LIST))))../layers/artefact.mk

build-%:
	cp *.py $(ARTIFACTS_DIR)/
	$(call compile,$(ARTIFACTS_DIR),/var/task)
