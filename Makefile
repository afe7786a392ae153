# SPDX-License-Identifier: ISC
# Thin: meson builds; this file names the few things that people do.

BUILD = build

help:
	@sed -n 's/^\([a-z-]*\):.*## /make \1	/p' Makefile | expand -t 16

deps: ## install the Debian packages that all of this needs
	@dist/deps

build: ## compile into build/, tests too
	@test -e $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD)

demo: deps ## show the main job on real servers, in two minutes
	@$(MAKE) --no-print-directory build
	@demo/run

demo-farm: deps ## show a farm of six hosts while things fail, in a minute
	@$(MAKE) --no-print-directory build
	@demo/farm

check: deps ## run every test, in a quarter of an hour
	@tests/run

soak: deps ## run the long tests, for hours
	@$(MAKE) --no-print-directory build
	@meson test -C $(BUILD) --suite soak --timeout-multiplier 0

bench: deps ## measure, and print a table
	@$(MAKE) --no-print-directory build
	@tests/bench/run

fuzz: deps ## fuzz every parser, for ten minutes each
	@tests/fuzz/run

install: ## compile and install; needs no test's packages; knows DESTDIR
	@dist/deps build
	@test -e $(BUILD)-install/build.ninja || \
	    meson setup -Dtests=false $(BUILD)-install
	@ninja -C $(BUILD)-install
	@meson install --no-rebuild -C $(BUILD)-install

clean: ## remove what was built
	@rm -rf $(BUILD) build-*

format: deps ## tell what does not look as .clang-format has it
	@tests/lint style

.PHONY: help deps build demo demo-farm check soak bench fuzz install clean format
