# How a layer or function is packed for `sam build`. Without further settings: for AWS Lambda (python3.13 on x86_64; with
# ARCH=arm64 on that), from any Python 3.11 or newer that has pip, without Docker and without a compiler. TARGET=host packs
# for the Python and the processor at hand, which the local stack and the runtime interface emulator need.
PYTHON ?= python3
TARGET ?= lambda
ARCH ?= x86_64
RUNTIME := 3.13
HERE := $(dir $(abspath $(firstword $(MAKEFILE_LIST))))

# LiteRT's arm64 wheels are tagged manylinux_2_27 alone; pip does not derive older tags from the newest. The runtime's
# glibc is 2.34.
PIP_PLATFORM := $(foreach tag,manylinux_2_34 manylinux_2_28 manylinux_2_27 manylinux_2_17 manylinux2014,--platform $(tag)_$(subst arm64,aarch64,$(ARCH)))
PIP_lambda := --python-version $(RUNTIME) --implementation cp $(PIP_PLATFORM)
PIP_host :=

# $(call install,FOLDER): the locked requirements of this layer, wheels only, each checked against its hash.
install = $(PYTHON) -m pip install --quiet --disable-pip-version-check --no-deps --only-binary=:all: --require-hashes \
	$(PIP_$(TARGET)) --no-compile --root-user-action=ignore --target $(1) -r $(HERE)requirements.txt

# $(call slim,FOLDER): drop what is only of use to developers and to pip.
slim = find $(1) -depth \( -type d \( -name tests -o -name __pycache__ -o -name include -o -name bin \) \
	-o -name '*.pyi' -o -name '*.h' -o -name '*.a' -o -name '*.pyx' -o -name '*.pxd' -o -name py.typed \
	-o -name RECORD -o -name INSTALLER -o -name REQUESTED -o -name direct_url.json \) -exec rm -rf {} +

# $(call compile,FOLDER,MOUNT): bytecode for an artefact that Lambda mounts read-only at MOUNT, where none could be
# cached; unchecked, because nothing there changes and time stamps do not survive the zip. It needs an interpreter of
# the target's minor version; without one the artefact works, and starts slower.
COMPILER_host := $(PYTHON)
COMPILER_lambda := $(firstword $(foreach python,$(PYTHON) python$(RUNTIME) \
	$(wildcard $(HOME)/.pyenv/versions/$(RUNTIME).*/bin/python),$(shell \
	$(python) -c 'import sys; "%d.%d" % sys.version_info[:2] == "$(RUNTIME)" and print("$(python)")' 2>/dev/null)))
COMPILER := $(COMPILER_$(TARGET))
ifeq ($(COMPILER),)
compile = @echo "no python$(RUNTIME) on PATH: $(notdir $(ARTIFACTS_DIR)) ships without bytecode and starts slower" >&2
else
compile = $(COMPILER) -m compileall -q -j 0 --invalidation-mode unchecked-hash -s $(1) -p $(2) $(1)
endif
