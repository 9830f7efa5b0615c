#!/bin/sh
# as-tap.sh PROGRAM...: one assertion, that the program ends without an error.
echo 1..1
if output=$("$@" 2>&1); then
	result=ok
else
	result="not ok"
fi
echo "$result 1 - $*"
printf '%s\n' "$output" | sed 's/^/# /'
