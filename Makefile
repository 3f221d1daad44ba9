# SPDX-License-Identifier: GPL-2.0-or-later
# One file, no recursion; everything generated lands in build/.

VERSION := 0.1.0

CC      ?= gcc
CLANG   ?= clang
BPFTOOL ?= $(shell command -v bpftool 2>/dev/null || echo /usr/sbin/bpftool)
PYTHON  ?= /usr/bin/python3
PREFIX  ?= /usr/local
DESTDIR ?=
V       ?= 0
JOBS    ?= $(shell nproc)
B       := build

ifeq ($(V),0)
Q := @
say = @printf '  %-8s %s\n' '$(1)' '$(2)'
else
Q :=
say = @:
endif

PKGS := libbpf libcap libcurl jansson libnl-3.0 inih
ARCH := $(shell uname -m | sed 's/x86_64/x86/; s/aarch64/arm64/')

WARN := -Wall -Wextra -Wformat=2 -Wshadow -Wstrict-prototypes -Wmissing-prototypes \
	-Wpointer-arith -Wvla -Werror=unused-function
ifneq ($(CI),)
WARN += -Werror
endif
CPPFLAGS_ALL = -D_GNU_SOURCE -DZS_VERSION='"$(VERSION)"' -Iinclude -Iloader -I$(B)/gen \
	$(shell pkg-config --cflags $(PKGS) 2>/dev/null) $(CPPFLAGS)
CFLAGS   ?= -O2 -g
CFLAGS_ALL = -std=gnu11 $(WARN) $(CFLAGS)
LDLIBS_ALL = $(shell pkg-config --libs $(PKGS) 2>/dev/null) $(LDLIBS)
BPF_CFLAGS := -target bpf -mcpu=v2 -O2 -g -std=gnu11 -Wall -Wextra -Werror -Wno-unused-parameter \
	-Wno-missing-declarations -D__TARGET_ARCH_$(ARCH) -DZS_BPF -Iinclude \
	-I/usr/include/$(shell uname -m)-linux-gnu

# The definitions of the maps come first: the linker of bpftool 7.1 loses maps that are declared before.
BPF_SRC    := bpf/maps.bpf.c $(sort $(wildcard bpf/*/*.bpf.c))
BPF_OBJ    := $(patsubst %.bpf.c,$(B)/%.bpf.o,$(BPF_SRC))
LOADER_SRC := $(sort $(wildcard loader/*.c))
LIB_OBJ    := $(patsubst %.c,$(B)/%.o,$(filter-out loader/main.c,$(LOADER_SRC)))
UNIT_BIN   := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/unit/test_*.c)))
KERN_BIN   := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/kern/test_*.c)))
FUZZ_BIN   := $(patsubst %.c,$(B)/%,$(sort $(wildcard tests/fuzz/fuzz_*.c)))

.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all deps check unit kern e2e conformance conformance-doc demo fuzz san tidy insns clean install uninstall overhead bench

all: $(B)/zs-load

# --- dependencies: installed by package name, only where something is missing -------------------

deps:
	@tools/deps build

$(B)/.deps: tools/deps
	@mkdir -p $(@D)
	@tools/deps build
	@touch $@

# --- kernel side --------------------------------------------------------------------------------

$(B)/%.bpf.o: %.bpf.c | $(B)/.deps
	$(call say,BPF,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c $< -o $@

$(B)/zs.bpf.o: $(BPF_OBJ)
	$(call say,LINK,$@)
	$(Q)$(BPFTOOL) gen object $@ $^

$(B)/gen/zs.skel.h: $(B)/zs.bpf.o
	$(call say,SKEL,$@)
	@mkdir -p $(@D)
	$(Q)$(BPFTOOL) gen skeleton $< name zs_bpf > $@

# --- user space ---------------------------------------------------------------------------------

$(B)/%.o: %.c $(B)/gen/zs.skel.h | $(B)/.deps
	$(call say,CC,$<)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -MMD -MP -c $< -o $@

$(B)/libzs.a: $(LIB_OBJ)
	$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

$(B)/zs-load: $(B)/loader/main.o $(B)/libzs.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL)
	@if [ "$$(id -u)" = 0 ]; then $(MAKE) --no-print-directory insns; fi

# Instruction counts as the verifier of this kernel sees them.
insns: $(B)/zs-load
	@$(B)/zs-load programs || echo "  (BPF cannot be loaded here: no instruction counts)"

# --- tests --------------------------------------------------------------------------------------

$(B)/tests/unit/%: $(B)/tests/unit/%.o $(B)/libzs.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL) -lcmocka

$(B)/tests/kern/%: $(B)/tests/kern/%.o $(B)/libzs.a
	$(call say,LD,$@)
	$(Q)$(CC) $(CFLAGS_ALL) $(LDFLAGS) -o $@ $^ $(LDLIBS_ALL) -lcmocka

unit: $(UNIT_BIN)
	@tests/run unit

kern: $(KERN_BIN) $(B)/zs-load
	@tests/run kern

e2e: $(B)/zs-load $(B)/bench/openloop
	@tests/run e2e

# The public HTTP caching suite from npm, against Caddy without and with zeroserve.
conformance: $(B)/zs-load
	@tools/deps conformance
	@tests/run conformance

# The same, whatever comes out, and docs/conformance.md made from it.
conformance-doc: $(B)/zs-load
	@tools/deps conformance
	@tests/run conformance || true
	@tools/conformance-table > $(B)/conformance.md
	@mv $(B)/conformance.md docs/conformance.md

# Every tier; the closing line is "N passed, N failed, N skipped".
check:
	@tools/deps conformance
	@$(MAKE) --no-print-directory -j$(JOBS) $(UNIT_BIN) $(KERN_BIN) $(B)/zs-load $(B)/bench/openloop
	@tests/run unit kern e2e conformance

demo:
	@tools/deps demo
	@$(MAKE) --no-print-directory $(B)/zs-load
	@tools/demo

# CPU per request of traffic that cannot be cached, with and without, in paired runs.
overhead:
	@tools/deps demo
	@$(MAKE) --no-print-directory $(B)/zs-load
	@tools/overhead

# Caddy, Caddy with zeroserve, and what others put in its place, side by side: tools/bench/README.md.
# BENCH=quick takes less than three minutes; BENCH_OPTIONS are passed on.
BENCH ?= full
bench:
	@tools/deps bench
	@$(MAKE) --no-print-directory $(B)/zs-load $(B)/bench/openloop
	@tools/bench/run --$(BENCH) $(BENCH_OPTIONS)

$(B)/bench/openloop: tools/bench/openloop.c tools/bench/exchange.c $(wildcard tools/bench/*.h) | $(B)/.deps
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(CC) -D_GNU_SOURCE $(CFLAGS_ALL) -o $@ $(filter %.c,$^) -lssl -lcrypto

FUZZ_SECONDS ?= 30
FUZZ_SRC := $(filter-out loader/main.c,$(LOADER_SRC))
$(B)/tests/fuzz/%: tests/fuzz/%.c $(B)/gen/zs.skel.h $(FUZZ_SRC) $(wildcard include/zs/*.h include/zs/*.def loader/*.h)
	$(call say,FUZZ,$<)
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(CPPFLAGS_ALL) -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=undefined $(FUZZ_CFLAGS) -o $@ $< $(FUZZ_SRC) $(FUZZ_LIBS) $(LDLIBS_ALL)

# One of them compares with a parser that others wrote: tools/oracle.
$(B)/tests/fuzz/fuzz_differential: FUZZ_CFLAGS := -I$(B)/oracle
$(B)/tests/fuzz/fuzz_differential: FUZZ_LIBS := $(B)/oracle/libllhttp.a
$(B)/tests/fuzz/fuzz_differential: tests/lib/oracle.h | $(B)/oracle/.done
$(B)/oracle/.done: tools/oracle
	@tools/oracle $(@D)

fuzz:
	@tools/deps fuzz
	@$(MAKE) --no-print-directory -j$(JOBS) $(FUZZ_BIN)
	@FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run fuzz

# The unit tier once more with AddressSanitizer and UBSan, in a tree of its own.
san:
	@tools/deps test
	@$(MAKE) --no-print-directory -j$(JOBS) B=$(B)/san LDFLAGS="-fsanitize=address,undefined" \
		CFLAGS="-O1 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined" \
		$(patsubst $(B)/%,$(B)/san/%,$(UNIT_BIN))
	@ZS_BUILD=$(B)/san tests/run unit

tidy:
	clang-format --dry-run -Werror $$(git ls-files '*.c' '*.h')

clean:
	rm -rf $(B)

install: $(B)/zs-load
	install -D -m 755 $(B)/zs-load $(DESTDIR)$(PREFIX)/sbin/zs-load

uninstall:
	rm -f $(DESTDIR)$(PREFIX)/sbin/zs-load

-include $(shell find $(B) -name '*.d' 2>/dev/null)
