#!/usr/bin/env bash
# Rules of the source tree that a compiler does not know, as TAP.  A check is
# a command that prints what breaks the rule, and nothing if all is well.
set -u
shopt -s nullglob

number=0
check() {
	local name=$1 found
	shift
	found=$("$@" 2>&1)
	number=$((number + 1))
	if [ -z "$found" ]; then
		echo "ok $number - $name"
	else
		echo "not ok $number - $name"
		echo "# ${found//$'\n'/$'\n'# }"
	fi
}

version=$(sed -n "s/^default_version *= *'\(.*\)'/\1/p" mlops.control)
export version
sources=$(find src -name '*.[ch]' | sort)
parts=$(echo sql/[0-9][0-9]_*.sql)

versions() {
	perl -MJSON::PP -0777 -ne '
		my $meta = decode_json($_);
		print "META.json: version $meta->{version}\n" if $meta->{version} ne $ENV{version};
		$meta = $meta->{provides}{mlops}{version};
		print "META.json: provides.mlops.version $meta\n" if $meta ne $ENV{version};' META.json
	grep -q "^## \[$version\]" CHANGELOG.md || echo "CHANGELOG.md: no $version"
}

# META.json by version 1.0.0 of PGXN's specification: what must be there, of its
# type, and files that the bundle has
meta() {
	git ls-files > /dev/null 2>&1 && export BUNDLE=git
	perl -MJSON::PP -0777 -ne '
		my %files = map { $_ => 1 } split /\n/, $ENV{BUNDLE} ? `git ls-files` : `find . -type f -printf "%P\n"`;
		my $m = decode_json($_);
		my $text = sub { defined $_[0] && !ref $_[0] && length $_[0] };
		my $version = sub { $text->($_[0]) && $_[0] =~ /\A(?:0|[1-9]\d*)(?:\.(?:0|[1-9]\d*)){2}(?:-[A-Za-z][0-9A-Za-z-]*)?\z/ };
		my $list = sub { ref $_[0] eq "ARRAY" && @{$_[0]} && !grep { !$text->($_) } @{$_[0]} };
		my $bad = sub { print "META.json: $_[0]\n" };
		$text->($m->{$_}) or $bad->("$_ is no text") for qw(name abstract);
		$m->{name} =~ m{\A[^\s/\\\x00-\x1f]{2,}\z} or $bad->("name is no term");
		$version->($m->{version}) or $bad->("version is no semantic version");
		$text->($m->{$_}) || $list->($m->{$_}) or $bad->("$_ is neither text nor texts") for qw(maintainer);
		$text->($m->{license}) || $list->($m->{license}) || ref $m->{license} eq "HASH" or $bad->("license");
		ref $m->{"meta-spec"} eq "HASH" && $m->{"meta-spec"}{version} eq "1.0.0" or $bad->("meta-spec.version is not 1.0.0");
		!defined $m->{$_} || $text->($m->{$_}) or $bad->("$_ is no text") for qw(description generated_by release_status);
		!defined $m->{release_status} || $m->{release_status} =~ /\A(?:stable|testing|unstable)\z/ or $bad->("release_status");
		!defined $m->{tags} || $list->($m->{tags}) && !grep { length > 255 || m{[/\\\x00-\x1f]} } @{$m->{tags}} or $bad->("tags");
		ref $m->{provides} eq "HASH" && %{$m->{provides}} or $bad->("provides is empty");
		while (my ($name, $p) = each %{$m->{provides}})
		{
			$version->($p->{version}) or $bad->("provides.$name.version is no semantic version");
			$text->($p->{file}) && $files{$p->{file}} or $bad->("provides.$name.file is not in the bundle");
			!defined $p->{docfile} || $files{$p->{docfile}} or $bad->("provides.$name.docfile is not in the bundle");
		}
		for my $phase (keys %{$m->{prereqs} || {}})
		{
			$phase =~ /\A(?:configure|build|test|runtime|develop|x_.*)\z/i or $bad->("prereqs.$phase");
			for my $relation (keys %{$m->{prereqs}{$phase}})
			{
				$relation =~ /\A(?:requires|recommends|suggests|conflicts|x_.*)\z/i or $bad->("prereqs.$phase.$relation");
				for my $range (values %{$m->{prereqs}{$phase}{$relation}})
				{
					$_ eq "0" || $version->(s/\A(?:[<>]=?|[!=]=)\s*//r) or $bad->("prereqs: $_ is no version") for split /\s*,\s*/, $range;
				}
			}
		}
		for my $key (keys %$m)
		{
			$key =~ /\A(?:abstract|description|generated_by|license|maintainer|meta-spec|name|no_index|prereqs|provides|release_status|resources|tags|version|x_.*)\z/i
				or $bad->("$key is no key of the specification");
		}' META.json
}

# names that the library shows to the process which loads it
exports() {
	nm -D --defined-only mlops.so | awk '{ print $NF }' |
		grep -vE '^(mlops_.*|pg_finfo_mlops_.*|Pg_magic_func|_PG_init)$'
}

libraries() { objdump -p mlops.so | grep NEEDED | grep -E 'xgboost|gomp|stdc\+\+'; }

# shellcheck disable=SC2086
version_tests() { grep -n PG_VERSION_NUM $sources | grep -v '^src/compat\.h:'; }

# shellcheck disable=SC2086
xgboost_users() {
	grep -nE '#include *[<"]xgboost/' $sources | grep -v '^src/trainer/'
	grep -rnE '#include *[<"]xgboost/' test --include='*.[ch]' | grep -vE '^test/(bench|unit)/'
}

# what is not a header of the system, of the C library's kind, or of our own
server_headers() {
	local file header
	for file in "src/$1"/*.[ch]; do
		sed -n 's/^#include "\(.*\)".*/\1/p' "$file" | while read -r header; do
			[ "$header" = "${2:-}" ] || [ -f "src/$header" ] || [ -f "src/$1/$header" ] ||
				echo "$file: $header"
		done
	done
}

# shellcheck disable=SC2086
replacing() { grep -nE 'OR REPLACE|IF NOT EXISTS +[^(]' $parts; }

# it is installed in databases of every encoding
foreign_letters() { LC_ALL=C grep -n '[^ -~]' $parts; }

first_lines() {
	local part
	for part in $parts; do
		[ "$(head -n 1 "$part")" = "-- file: $part" ] || echo "$part"
	done
}

no_expected() {
	local file name
	for file in test/sql/*.sql; do
		name=$(basename "$file" .sql)
		[ -f "expected/$name.out" ] || echo "$file"
	done
	for file in test/isolation/specs/*.spec; do
		name=$(basename "$file" .spec)
		[ -f "test/isolation/expected/$name.out" ] || echo "$file"
	done
}

# undocumented PATTERN FILES: words that the sed PATTERN finds and doc/ has not;
# functions.md has all of them, being made from the catalogs
undocumented() {
	local pattern=$1 word
	shift
	sed -nE "$pattern" "$@" | sort -u | while read -r word; do
		grep -qrwF --include='*.md' --exclude=functions.md -e "$word" doc || echo "$word"
	done
}

# but for what only operators, casts and input and output of types call
# shellcheck disable=SC2086
objects() {
	undocumented 's/^CREATE (FUNCTION|AGGREGATE|VIEW|TYPE|DOMAIN|PROCEDURE) mlops\.([a-z][a-z0-9_]*).*/\2/p' $parts |
		grep -vE '_(in|out|recv|send|cmp|eq|ne|lt|le|gt|ge|hash|hash_extended|support|to_[a-z]*)$'
}

links() {
	local file target
	for file in README.md CHANGELOG.md doc/*.md; do
		grep -oE '\]\([^)]+\)' "$file" | sed 's/^](//; s/)$//; s/#.*//' | grep -vE '^(https?:|$)' |
			while read -r target; do
				[ -e "$(dirname "$file")/$target" ] || echo "$file: $target"
			done
	done
}

# sourced ones are seen where they are sourced
shell_scripts() {
	shellcheck -x -a test/setup/run.sh
	shellcheck -x test/setup/matrix.sh
	shellcheck .ci/run test/setup/{lint,as-tap,exchange}.sh test/demo/check.sh test/bench/*.sh test/unit/*.sh
}

check 'one version in mlops.control, META.json and CHANGELOG.md' versions
check 'META.json is what PGXN asks for' meta
check 'the library exports only names that are ours' exports
check 'the library needs neither libxgboost nor OpenMP nor C++' libraries
check 'PG_VERSION_NUM only in src/compat.h' version_tests
check 'libxgboost only in src/trainer' xgboost_users
check 'src/forest includes no header of PostgreSQL but c.h' server_headers forest c.h
check 'src/trainer includes no header of PostgreSQL' server_headers trainer
check 'parts of the install script only CREATE' replacing
check 'parts of the install script begin with their name' first_lines
check 'parts of the install script are ASCII' foreign_letters
check 'every regression test has its expected output' no_expected
check 'every public object is in doc/' objects
check 'every setting is in doc/settings.md' undocumented 's/.*"(mlops\.[a-z_]+)".*/\1/p' src/guc.c
check 'every SQLSTATE is in doc/errors.md' undocumented \
	"s/.*MAKE_SQLSTATE\('(.)','(.)','(.)','(.)','(.)'\).*/\1\2\3\4\5/p" src/errors.h
check 'links between pages lead somewhere' links
[ -z "$(command -v shellcheck)" ] || check 'shellcheck has nothing to say' shell_scripts
echo "1..$number"
