#!/usr/bin/env bash
# Proves that Apache Superset, as pip installs it, connects to credwatch over the Postgres wire and draws a chart of it.
# Superset sends statements of its own (SQLAlchemy 1.4 reads the catalogue otherwise than 2.x), so only running it shows
# that credwatch answers them. It takes minutes and a gigabyte, so it is run by hand and is no part of `make test`:
#
#   tests/superset/run.sh [PATH_OF_CREDWATCH]        default: target/debug/credwatch
#
# Needs python3 (3.10 to 3.12) with venv, psql, Chromium, and PyPI the first time. Makes a lake, a key of an analyst, a
# server and a Superset on free ports of loopback; chart.py says what is asked of Superset. Prints a line a step and
# ends with "ok" and exit code 0; or says what failed and which statements credwatch refused, keeps the logs, and exits
# with 1. Every process that it started is gone afterwards. The chart's picture stays in target/superset/chart.png.
set -euo pipefail
root=$(realpath "$(dirname "$0")/../..")
credwatch=$(realpath -m "${1:-$root/target/debug/credwatch}")
home=$root/target/superset
mkdir -p "$home"
scratch=$(mktemp -d "$home/run.XXXXXX")
bin=$home/venv/bin
started=()

# Superset 6.1.0 does not start with flask-caching 2.5, and needs cachetools and rich without naming them.
# SQLAlchemy 1.4, on which it stands, speaks psycopg2 and not psycopg 3.
packages="apache-superset==6.1.0 cachetools==6.2.1 flask==3.1.3 flask-appbuilder==5.3.0 flask-caching==2.3.1
  flask-sqlalchemy==3.0.5 marshmallow==3.26.2 pandas==2.1.4 playwright==1.65.2 psycopg2-binary==2.9.13 requests==2.34.2
  rich==13.9.4 sqlalchemy==1.4.54 sqlglot==28.10.1 werkzeug==3.1.9"

ended() {
  code=$?
  trap - EXIT
  [ "${#started[@]}" = 0 ] || { kill "${started[@]}" 2>/dev/null; wait "${started[@]}" 2>/dev/null; } || true
  if [ "$code" = 0 ]; then rm -rf "$scratch"; echo ok; exit 0; fi
  echo "failed while: $step; logs are in $scratch"
  [ ! -d "$scratch/lake" ] || refused || true
  exit 1
}
trap ended EXIT
trap 'exit 1' INT TERM
step() { step=$1; echo "$step"; }
# Statements of clients that credwatch did not answer, as its audit has them.
refused() {
  "$credwatch" sql --lake "$scratch/lake" --format ndjson -c \
    "SELECT code, detail FROM audit WHERE surface = 'postgres' AND status >= 400 ORDER BY time"
}
until_said() { # FILE PATTERN PROCESS: what stands after the pattern, once it does
  for _ in $(seq 240); do
    said=$(sed -n "s|.*$2||p" "$1" | head -1)
    [ -z "$said" ] || { echo "$said"; return 0; }
    kill -0 "$3" 2>/dev/null || break
    sleep 0.5
  done
  tail -5 "$1" >&2
  return 1
}

step "installing Superset"
[ -x "$credwatch" ] || { echo "there is no program $credwatch"; exit 1; }
if [ "$packages" != "$(cat "$home/venv/.complete" 2>/dev/null)" ]; then
  python3 -m venv --clear "$home/venv"
  "$bin/pip" install -q --disable-pip-version-check $packages
  echo "$packages" > "$home/venv/.complete"
fi

step "making a lake and a key"
cd "$scratch"
"$credwatch" simulate --seed 7 --days 3 --out events.ndjson > lake.log 2>&1
"$credwatch" import events.ndjson --lake ./lake >> lake.log 2>&1
key=$("$credwatch" keys create superset --role analyst --all-orgs --lake ./lake 2>> lake.log)

step "starting credwatch"
"$credwatch" serve --roles api --listen 127.0.0.1:0 --listen-postgres 127.0.0.1:0 --lake ./lake > credwatch.log 2>&1 &
started+=($!)
address=$(until_said credwatch.log "clients of Postgres on " $!)
export PGHOST=${address%:*} PGPORT=${address##*:} PGDATABASE=credwatch PGUSER=${key:4:16} PGPASSWORD=$key

step "preparing Superset's own database"
cat > superset_config.py <<CONFIG
SECRET_KEY = "$(head -c 32 /dev/urandom | base64)"
SQLALCHEMY_DATABASE_URI = "sqlite:///$scratch/superset.db"
CONFIG
export SUPERSET_CONFIG_PATH=$scratch/superset_config.py SUPERSET_HOME=$scratch FLASK_APP=superset SCARF_ANALYTICS=false
export SUPERSET_PASSWORD=$RANDOM$RANDOM$RANDOM
superset() { "$bin/superset" "$@" > prepare.log 2>&1 || { tail -5 prepare.log; return 1; }; }
superset db upgrade
superset fab create-admin --username admin --firstname a --lastname b --email a@example.com \
  --password "$SUPERSET_PASSWORD"
superset init

step "starting Superset"
port=$("$bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
"$bin/superset" run -p "$port" --with-threads > superset.log 2>&1 &
started+=($!)
until_said superset.log "Running on " $! > /dev/null

step=chart.py
"$bin/python" "$root/tests/superset/chart.py" "http://127.0.0.1:$port" "$home/chart.png"

step "asking the audit for statements that were refused"
answer=$(refused)
[ -z "$answer" ]
