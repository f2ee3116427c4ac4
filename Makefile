# Everything starts here: set up (scripts/setup.sh) → configure and build (a CMake preset) → run.
# A fresh Debian-like machine needs git, make and a C++ compiler; the rest is installed by the first command.
.DEFAULT_GOAL := help
.PHONY: help demo test check build build-cuda gui test-long test-asan test-tsan quality bench clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*  ## /  make \1\t/p' Makefile | expand -t 20

demo:  ## build the program and render three prompts with the demo model
	@scripts/setup.sh demo
	@scripts/build.sh release sparge contact_sheet
	@scripts/demo.sh

test:  ## build everything and run the tests
	@scripts/setup.sh test
	@scripts/build.sh release all
	@scripts/test.sh release --label-exclude long

check:  ## the fast tests, for the working day
	@scripts/setup.sh check
	@scripts/build.sh release all
	@scripts/test.sh release --label-regex check

build:  ## the program alone: build/bin/sparge
	@scripts/setup.sh build
	@scripts/build.sh release sparge

build-cuda:  ## the CUDA kernels alone, for every GPU architecture
	@scripts/setup.sh build
	@scripts/build.sh release attention_cuda

gui: build  ## the window
	@build/bin/sparge gui

test-long:  ## every test, the long ones too, all again under ASan and UBSan, the window's threads under TSan
	@scripts/setup.sh test-long
	@scripts/build.sh release all
	@scripts/test.sh release
	@$(MAKE) --no-print-directory test-tsan
	@$(MAKE) --no-print-directory test-asan

test-tsan:  ## the window's session and threads under ThreadSanitizer
	@scripts/setup.sh test-tsan
	@scripts/tsan.sh

test-asan:  ## the tests of `make test` under AddressSanitizer and UndefinedBehaviorSanitizer
	@scripts/setup.sh test-asan
	@scripts/build.sh asan all
	@scripts/test.sh asan --label-exclude long

quality:  ## how often the demo model draws what was asked (an hour; goes on where it was stopped)
	@scripts/setup.sh quality
	@scripts/build.sh release sparge toybox_quality
	@scripts/quality.sh

bench:  ## load, encode, step, decode: the times in the README
	@scripts/setup.sh bench
	@scripts/build.sh release sparge window_bench
	@scripts/bench.sh

clean:  ## remove everything built here (libtorch stays in its cache)
	@rm -rf build build-*
