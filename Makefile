# mlops: build, install and test.
#
#   make demo     set up what is missing, build, start a private server, show the main job
#   make check    the same set-up, then every test; make tap TESTS='010_audit' a few of a suite
#   make, make install, make installcheck, make uninstall, make clean
#                 as in any extension, against the PostgreSQL of PG_CONFIG
#
# Goals of the first kind bring what they need and work in build/ alone; they
# are test/setup/run.sh's.  doc/development.md lists them all.

PRIVATE = demo check unit fuzz lint regress pgtap isolation tap sanitize coverage exchange matrix torture bench server stop

ifneq (,$(filter $(PRIVATE),$(MAKECMDGOALS)))

# Several goals run in the order in which they were given.
.NOTPARALLEL:
.PHONY: $(MAKECMDGOALS)

$(filter-out $(PRIVATE),$(MAKECMDGOALS)):
	@$(MAKE) --no-print-directory $@

# Variables of the command line go by name, and make's own flags not at all:
# DATA, the user's file here, is a list of files to install for PGXS.
export PG_CONFIG TESTS FUZZ_RUNS FUZZ_SECONDS MATRIX COPT
export DEMO_DATA = $(value DATA)
export DEMO_LABEL = $(value LABEL)
$(filter $(PRIVATE),$(MAKECMDGOALS)):
	@env -u MAKEFLAGS -u MFLAGS -u MAKEOVERRIDES -u MAKELEVEL -u DATA test/setup/run.sh $@

else

EXTENSION   = mlops
EXTVERSION := $(shell sed -n "s/^default_version *= *'\(.*\)'/\1/p" mlops.control)

MODULE_big  = mlops
PGFILEDESC  = "mlops - a model's whole life next to the data it scores"
TRAINER_SRC = $(sort $(wildcard src/trainer/*.c))
OBJS        = $(patsubst %.c,%.o,$(sort $(filter-out $(TRAINER_SRC),$(wildcard src/*.c src/*/*.c))))

# Programs, which PGXS installs and removes together with the library.
SCRIPTS_built = mlops-trainer
SCRIPTS       = src/audit/verify/mlops-verify-audit

SQL_PARTS   = $(sort $(wildcard sql/[0-9][0-9]_*.sql))
DATA_built  = sql/$(EXTENSION)--$(EXTVERSION).sql
DATA        = $(wildcard sql/$(EXTENSION)--*--*.sql) $(wildcard doc/prometheus/*.yaml)

# Fused multiply-add would round once where libxgboost rounds twice.
# PGDLLEXPORT is empty in PostgreSQL 15.
PG_CPPFLAGS = -Isrc -DMLOPS_VERSION='"$(EXTVERSION)"' -ffp-contract=off \
	$(if $(filter 15,$(MAJORVERSION)),'-DPGDLLEXPORT=__attribute__((visibility("default")))')
PG_CFLAGS   = -Wall -Wextra -Wno-unused-parameter -Wno-declaration-after-statement \
	-Wno-missing-field-initializers -fvisibility=hidden -MMD -MP $(WERROR)
SHLIB_LINK  = -lm

REGRESS        = $(patsubst test/sql/%.sql,%,$(sort $(wildcard test/sql/*.sql)))
REGRESS_OPTS   = --inputdir=test --load-extension=mlops
ISOLATION      = $(patsubst test/isolation/specs/%.spec,%,$(sort $(wildcard test/isolation/specs/*.spec)))
ISOLATION_OPTS = --inputdir=test/isolation --load-extension=mlops

EXTRA_CLEAN = build src/*.[od] src/*.bc src/*/*.[od] src/*/*.bc src/audit/bodies.h* sql/*.tmp

# pg_regress looks in ./sql before test/sql: a shared name would run a part of
# the extension as a test.
CLASH := $(filter $(notdir $(wildcard test/sql/*.sql)),$(notdir $(wildcard sql/*.sql)))
$(if $(CLASH),$(error test/sql and sql/ share file name(s): $(CLASH)))

PG_CONFIG ?= pg_config
PGXS := $(shell $(PG_CONFIG) --pgxs 2>/dev/null)
ifeq (,$(wildcard $(PGXS)))
$(error $(PG_CONFIG) does not lead to a PostgreSQL to build against: install postgresql-server-dev-NN, set PG_CONFIG, or run 'make demo', which sets up everything)
endif
include $(PGXS)

$(DATA_built): $(SQL_PARTS) mlops.control
	{ echo '-- generated from sql/[0-9][0-9]_*.sql: do not edit'; cat $(SQL_PARTS); } > $@.tmp
	mv $@.tmp $@

# What the functions of the script consist of, for the library to know.
src/audit/bodies.h: src/audit/bodies.pl $(SQL_PARTS) build/files
	perl src/audit/bodies.pl $(SQL_PARTS) > $@.tmp
	mv $@.tmp $@
src/audit/bodies.o: src/audit/bodies.h

# The only thing here that libxgboost is linked to; it knows no PostgreSQL.
TRAINER_OBJS = $(TRAINER_SRC:.c=.o)
mlops-trainer: $(TRAINER_OBJS)
	$(CC) $(CFLAGS) $(TRAINER_OBJS) $(LDFLAGS) -lxgboost -lm -o $@

# Objects follow their headers, the flags and the server that they are for;
# what is joined from files follows the list of these too, so that a file which
# has gone is noticed.
-include $(OBJS:.o=.d) $(TRAINER_OBJS:.o=.d)
$(OBJS) $(TRAINER_OBJS): build/flags
$(OBJS:.o=.bc): %.bc: %.o
$(MODULE_big)$(DLSUFFIX) mlops-trainer $(DATA_built) build/unit/lib.a: build/files

build/flags: text = $(VERSION) $(CC) $(PG_CPPFLAGS) $(CFLAGS)
build/files: text = $(OBJS) $(TRAINER_OBJS) $(SQL_PARTS)
build/flags build/files: force
	@mkdir -p build
	@echo '$(subst ','\'',$(text))' | cmp -s - $@ || echo '$(subst ','\'',$(text))' > $@
.PHONY: force

# A bundle for PGXN of what is committed.
.PHONY: dist
dist:
	@mkdir -p build
	git archive --format=zip --prefix=$(EXTENSION)-$(EXTVERSION)/ --output=build/$(EXTENSION)-$(EXTVERSION).zip HEAD
	@echo build/$(EXTENSION)-$(EXTVERSION).zip

# The private servers work in build/.
clean: purge
.PHONY: purge
purge:
	@test/setup/run.sh purge

# The C tests that need no server.  One that needs another library says so in
# a line of its own: /* link: -lxgboost */
UNIT_PROGRAMS = $(patsubst test/unit/%.c,build/unit/%,$(sort $(wildcard test/unit/*.c)))
UNIT_OBJS     = $(filter src/forest/% src/monitoring/test_% $(addprefix src/,metrics/measures.o metrics/interval.o audit/encode.o \
	training/snapshot_hash.o worker/cron.o monitoring/detector.o monitoring/distance.o monitoring/sketch.o \
	monitoring/sketch_bins.o monitoring/sketch_bytes.o monitoring/sketch_moments.o monitoring/sketch_number.o \
	monitoring/sketch_text.o),$(OBJS))
FUZZ_PROGRAMS = $(patsubst test/fuzz/%.c,build/fuzz/%,$(sort $(wildcard test/fuzz/*.c)))
SANITIZED_PROGRAMS = $(patsubst test/unit/%.c,build/sanitize/%,$(sort $(wildcard test/unit/*.c)))
SANITIZED_OBJS = $(addprefix build/sanitize/,$(UNIT_OBJS) $(TRAINER_OBJS))
FUZZ_FLAGS    = -O1 -fsanitize=address,undefined -fno-sanitize-recover=all
# a C file of test/bench that no script there names is a benchmark by itself
BENCH_PROGRAMS = $(patsubst test/bench/%.c,build/bench/%,$(foreach c,$(sort $(wildcard test/bench/*.c)),\
	$(if $(shell grep -lw $(notdir $(c)) test/bench/*.sh),,$(c))))
SERVERLESS    = -L$(pkglibdir) -L$(libdir) -lpgcommon -lpgport -lm -lpthread
link_of       = $(shell sed -n 's,^/\* link: \(.*\) \*/$$,\1,p' $(1))

.PHONY: unit-programs sanitize-programs fuzz-programs bench-programs
unit-programs: $(UNIT_PROGRAMS)
sanitize-programs: $(SANITIZED_PROGRAMS) build/sanitize/mlops-trainer
fuzz-programs: $(FUZZ_PROGRAMS)
bench-programs: $(BENCH_PROGRAMS)

build/unit/lib.a: $(UNIT_OBJS)
	@mkdir -p $(@D)
	rm -f $@ && $(AR) rcs $@ $(UNIT_OBJS)

build/unit/%: test/unit/%.c build/unit/lib.a $(wildcard test/unit/*.h) build/flags
	$(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(CFLAGS)) -o $@ $< build/unit/lib.a $(call link_of,$<) $(SERVERLESS)

build/bench/%: test/bench/%.c build/unit/lib.a $(wildcard test/unit/*.h test/bench/*.h) build/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) -Itest/unit $(filter-out -MMD -MP,$(CFLAGS)) -o $@ $< build/unit/lib.a -lxgboost $(SERVERLESS)

# The same with sanitizers, which find what a test would not see.
-include $(SANITIZED_OBJS:.o=.d)
$(SANITIZED_OBJS): build/sanitize/%.o: %.c build/flags
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(CFLAGS) $(FUZZ_FLAGS) -c -o $@ $<

build/sanitize/lib.a: $(addprefix build/sanitize/,$(UNIT_OBJS)) build/files
	rm -f $@ && $(AR) rcs $@ $(addprefix build/sanitize/,$(UNIT_OBJS))

build/sanitize/mlops-trainer: $(addprefix build/sanitize/,$(TRAINER_OBJS))
	$(CC) $(CFLAGS) $(FUZZ_FLAGS) $^ $(LDFLAGS) -lxgboost -lm -o $@

build/sanitize/%: test/unit/%.c build/sanitize/lib.a $(wildcard test/unit/*.h)
	$(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(CFLAGS)) $(FUZZ_FLAGS) -o $@ $< build/sanitize/lib.a $(call link_of,$<) $(SERVERLESS)

build/fuzz/%: test/fuzz/%.c build/sanitize/lib.a $(wildcard test/fuzz/*.h test/unit/*.h)
	@mkdir -p $(@D)
	$(CC) $(CPPFLAGS) $(filter-out -MMD -MP,$(CFLAGS)) $(FUZZ_FLAGS) -o $@ $< build/sanitize/lib.a $(call link_of,$<) $(SERVERLESS)

endif
