#!/usr/bin/env bash
# The time of one row's contributions, as a ratio to libxgboost's pred_contribs
# of a batch, on one thread, in one run.  Needs a compiler, libxgboost and the
# objects of src/forest.  Shapes of models can be given: explain_speed.sh 2000x10.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
pg_config=${PG_CONFIG:-pg_config}
${CC:-cc} -O2 -Isrc -I"$("$pg_config" --includedir-server)" -o "$work/speed" test/bench/explain_speed.c \
	src/forest/*.o -L"$("$pg_config" --pkglibdir)" -L"$("$pg_config" --libdir)" -lxgboost -lpgcommon -lpgport -lm
"$work/speed" "$@"
