#!/usr/bin/env bash
# Installs the clients, as published, below target/clients: a Python environment, Node modules and a jar.
# Nothing to do when they are there and their lists have not changed.
set -euo pipefail
cd "$(dirname "$0")"
out="${CARGO_TARGET_DIR:-$(git rev-parse --show-toplevel)/target}/clients"
mkdir -p "$out"
now="$(find requirements.txt package.json java -type f -not -path '*/target/*' | LC_ALL=C sort | xargs sha256sum | sha256sum)"
if [ "$(cat "$out/sources.sha256" 2>/dev/null)" = "$now" ]; then exit 0; fi
[ -x "$out/python/bin/pip" ] || python3 -m venv "$out/python"
"$out/python/bin/pip" install --quiet --disable-pip-version-check -r requirements.txt
cp package.json "$out/"
npm install --prefix "$out" --no-audit --no-fund --loglevel=error
rm -rf "$out/java" && cp -r java "$out/java"
mvn --quiet --batch-mode --file "$out/java/pom.xml" -DskipTests package
echo "$now" > "$out/sources.sha256"
