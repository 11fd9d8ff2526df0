#!/usr/bin/env bash
# Builds Spring's own Config Server and Eureka Server as runnable jars, unless they are already built from these sources.
# Result: target/originals/config-server.jar and target/originals/registry.jar, below the root of the repository.
set -euo pipefail
cd "$(dirname "$0")"
out="$(git rev-parse --show-toplevel)/target/originals"
stamp="$out/sources.sha256"
now="$(find . -type f -not -path '*/target/*' | LC_ALL=C sort | xargs sha256sum | sha256sum)"
if [ -f "$out/registry.jar" ] && [ -f "$out/config-server.jar" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$now" ]; then
  exit 0
fi
mkdir -p "$out/maven"
rm -f "$stamp"
# Maven writes beside its sources, so it works on a copy.
cp -r pom.xml config-server registry "$out/maven/"
mvn --quiet --batch-mode --file "$out/maven/pom.xml" -DskipTests package
cp "$out/maven/config-server/target/config-server.jar" "$out/maven/registry/target/registry.jar" "$out/"
echo "$now" > "$stamp"
