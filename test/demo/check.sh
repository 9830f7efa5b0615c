#!/usr/bin/env bash
# check.sh OUTPUT: whether what the demo printed is what it should show, as TAP.
# The demo's server still runs.
set -u
output=$1
number=0

check() {
	local name=$1
	shift
	number=$((number + 1))
	if "$@" > /dev/null 2>&1; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
	fi
}

# what the demo printed under heading $1
section() { awk -v heading="--- $1. " 'index($0, "--- ") == 1 { on = index($0, heading) == 1 } on' "$output"; }

# the rows that the scoring query printed under heading $1
scores() { section "$1" | grep -E '^ +[0-9]+ \|'; }

ended() { [ "$(tail -n 1 "$output")" = 'exit status 0' ]; }
headings() { [ "$(grep -cE '^--- [0-9]+\. ' "$output")" -eq 18 ]; }
auc() { section "$1" | awk '/ auc / { n++; for (i = 3; i <= NF; i++) if ($i ~ /^0\./ && ($i < 0.7 || $i > 0.9)) bad = 1 } END { exit !n || bad }'; }
scored() { [ "$(scores 6 | wc -l)" -eq 5 ]; }
promoted() { [ "$(scores 6)" != "$(scores 8)" ] && [ "$(scores 8 | wc -l)" -eq 5 ]; }
rolled_back() { [ "$(scores 6)" = "$(scores 9)" ]; }
bound() { [ "$(section 5 | grep -cE '^ [a-z_]+ +\| (numeric|boolean|categorical)')" -eq 20 ]; }
denied() { [ "$(grep -cE '^ERROR: ' "$output")" -eq 4 ] && [ "$(section 10 | grep -cE '^ERROR: +permission denied')" -eq 2 ]; }
granted() { [ "$(scores 10)" = "$(scores 9)" ]; }
explained() { [ "$(section 11 | awk -F'|' 'NF == 6 && $2 + 0 == n { if (n++ == 0) next; if ($4 ~ /[^ ]/ && $5 + 0 != 0) good++ } END { print n, good }')" = '7 6' ]; }
reasons() { [ "$(section 11 | grep -cE '^ +[0-9]+ \| bad +\| [1-4] \| [A-Z]')" -eq 4 ]; }
four_eyes() { section 8 | grep -q '^ERROR:  maker and checker must be two persons' && section 8 | grep -qx ' executed'; }
ratified() { section 9 | grep -qE '^ rollback +\| ratified +\| modeller +\| checker'; }
gated() { [ "$(section 12 | grep -cE '^ERROR:  .*/3 does not pass the gates')" -eq 1 ] && section 12 | grep -qE '^ +1 \| champion +\| .* \| fail +\|'; }
drifted() { section 13 | grep -qE '^ feature +\| duration +\| psi +\| .* fail$' && section 13 | grep -qE '^ score +\| score +\| psi +\| .* fail$'; }
random() { [ "$(section 13 | grep -E '^ (ok|warn|fail|insufficient) +\| ')" = ' ok      |          23' ]; }
biased() { [ "$(section 14 | grep -cE '^ age_band +\| under 26 .* fail *$')" -eq 3 ] && [ "$(section 14 | grep -cE '^ sex +\| female .* ok *$')" -eq 3 ]; }
watched() { section 15 | grep -qE '^ tune +\| searching +\| +[0-9]+ \| +20 \| trials +\| trial [0-9]+: auc 0\.'; }
compared() { section 15 | grep -qE '^ auc +\| 0\.[0-9]+ +\| 0\.[0-9]+ *$' && section 15 | grep -qE '^ max_depth +\| [1-6] +\| [1-6] *$'; }
repeated() {
	section 15 | grep -qE '^ +20 \| credit_risk/4 \| +0\.[0-9]+ \| t +\| t +\| ([0-9a-f]{16}) +\| \1 *$' &&
		[ "$(section 15 | grep -cE '^ (query|copy) +\| t +\| 1000')" -eq 2 ]
}
tampered() { section 17 | grep -qE '^ ROW_CHANGED +\| +[0-9]+ \|' && [ "$(section 17 | grep -cE '^ OK +\|')" -eq 1 ]; }
history() { [ "$(section 16 | grep -cE '^ champion +\| (promote|rollback) ')" -eq 3 ]; }
log() { [ "$(section 16 | grep -cE '^ +[0-9]+ \| [a-z]+\.[a-z]+ ')" -ge 14 ]; }
verified() { section 16 | grep -qE '^status +\| OK'; }

# step 18, in which nothing but inserts and approvals was done by hand
found() {
	[ "$(section 18 | grep -cE '^ +1 \| (drift|bias) .* ok *$')" -eq 4 ] &&
		section 18 | grep -qE '^ +2 \| drift \| psi +\| duration +\| .* fail *$' && section 18 | grep -qE '^ +2 \| bias .* fail *$'
}
told() { section 18 | grep -qE "^Asynchronous notification \"mlops_alert\" with payload \"\{\"kind\": \"$1\", .*\"status\": \"open\""; }
retrained() {
	section 18 | grep -qE '^Asynchronous notification "mlops_retraining" .*"action": "open"' &&
		section 18 | grep -qE '^Asynchronous notification "mlops_retraining" .*"action": "end".* "version": 5'
}
requested() { [ "$(section 18 | grep -cE '^(status +\| open|attribute +\| duration|created_by +\| modeller|version +\| 5)$')" -eq 4 ]; }
decided() { section 18 | grep -qE '^ alias\.promote +\| +5 \| champion +\| checker ' && section 18 | grep -qx ' OK'; }
succeeded() { [ "$(section 18 | grep -cE '^ (monitor new_loans|retrain rule 1|retraining 1|tuning) +\| .* succeeded$')" -eq 4 ]; }
healthy() { section 18 | grep -qE '^ warning \| open alerts: 1 \| +3 \| +0 \| +0 \| +1$'; }
command=$(grep -A 2 -e '--- To go on' "$output" | tail -n 1)
next_command() {
	[ "$(eval "$command -XAtc \"SELECT mlops.predict('credit_risk', l) BETWEEN 0 AND 1 FROM bank.loans l LIMIT 1\"")" = t ]
}

# the figures in it are those of Debian 12's libxgboost
readme() {
	[[ "$(eval "$command -XAtc \"SELECT DISTINCT record->>'library_version' FROM mlops.runs WHERE kind = 'train'\"")" != 1.7.* ]] ||
		perl test/demo/readme.pl README.md "$output"
}

check 'the demo ends without an error' ended
check 'it shows every step' headings
check 'the first version ranks the hold-out rows as this data allows' auc 3
check 'so does the second' auc 7
check 'the dry run shows each of the 20 features' bound
check 'five rows are scored' scored
check 'the promotion changes the scores' promoted
check 'the rollback brings the first scores back' rolled_back
check 'the maker does not approve, the checker does' four_eyes
check 'the rollback is ratified' ratified
check 'a worse version is refused by a gate' gated
check 'a random sample does not drift' random
check 'a slice of long loans does' drifted
check 'the young fail the four-fifths rule, women do not' biased
check 'a search shows how far it is' watched
check 'its best and worst trials differ' compared
check 'its winner gives the same model file again' repeated
check 'new loans of the same kind are fine, others drift and are biased' found
check 'the drift is notified' told drift
check 'the bias is notified' told bias
check 'the model is trained again by itself' retrained
check 'a request with the evidence is there' requested
check 'the checker makes that champion, and the log verifies' decided
check 'every job has succeeded' succeeded
check 'the health shows the alert that is left' healthy
check 'two statements are denied, and no other one fails' denied
check 'the granted application gets the scores' granted
check 'the refused loan is explained, with its values' explained
check 'its letter gives four reasons in words' reasons
check 'the history has two promotions and a rollback' history
check 'the audit log has what happened' log
check 'the audit log verifies' verified
check 'one byte changed by a superuser is found' tampered
check 'the command to go on with works' next_command
check 'the README shows this output' readme
echo "1..$number"
