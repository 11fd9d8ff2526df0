#!/usr/bin/env bash
# Plays the microproxy story with real Spring Boot applications and checks each step; see README.md.
#   run.sh               on Haechi (HAECHI_BIN, or built here)
#   run.sh --originals   on Spring's own config server and registry: the same story without its edge proxy
set -euo pipefail
cd "$(dirname "$0")"
root="$(git rev-parse --show-toplevel)"
target="${CARGO_TARGET_DIR:-$root/target}"

# The application's jar, built again when its sources changed. Maven writes beside its sources, so it gets a copy.
out="$target/spring-microproxy"
sources="$(find pom.xml src -type f | LC_ALL=C sort | xargs sha256sum | sha256sum)"
if [ ! -f "$out/helloworld-service.jar" ] || [ "$(cat "$out/sources.sha256" 2>/dev/null)" != "$sources" ]; then
  echo "building helloworld-service (Spring Boot, from Maven Central) ..."
  mkdir -p "$out/maven"
  cp -r pom.xml src "$out/maven/"
  mvn --quiet --batch-mode --file "$out/maven/pom.xml" -DskipTests package
  cp "$out/maven/target/helloworld-service.jar" "$out/"
  echo "$sources" > "$out/sources.sha256"
fi

case " $* " in
  *" --originals "*) "$root/tests/originals/build.sh" ;;
  *) if [ -z "${HAECHI_BIN:-}" ]; then
       (cd "$root" && cargo build --quiet --release -p haechi)
       export HAECHI_BIN="$target/release/haechi"
     fi ;;
esac

exec python3 story.py "$@"
