"""Statements that try to see more than their key may, on every surface that takes statements.

HTTP_URL POSTGRES_PORT FLIGHT_PORT CA_FILE LAKE, on stdin a key that reaches org_a only. The lake holds one event of org_a, the
first that came, and one of org_b. Whatever a statement answers, rows or an error, must tell nothing of org_b and nothing of files.
Says "ok" when everything came out as it should.
"""

import os
import sys

import adbc_driver_flightsql.dbapi as flight
import adbc_driver_manager as adbc
import psycopg
import requests

# Where these would write. Nothing may be there afterwards.
TARGET = "/tmp/credwatch-escape"

HOSTILE = [
    # Other names for what others own.
    "SELECT * FROM other.public.events",
    "SELECT * FROM credwatch.private.events",
    "SELECT * FROM org_b.events",
    'SELECT * FROM "org_b"."public"."events"',
    'SELECT * FROM "EVENTS"',
    'SELECT * FROM "events"',
    'SELECT * FROM "public"."records"',
    "SELECT * FROM duplicates",
    "SELECT * FROM rejects",
    "SELECT * FROM findings",
    "SELECT * FROM coverage",
    "SELECT * FROM configuration",
    "SELECT * FROM audit",
    "SELECT * FROM keys",
    "SELECT * FROM access_grants",
    "SELECT * FROM consumers",
    "SELECT * FROM saved_queries",
    # Shadows.
    "WITH events AS (SELECT * FROM records) SELECT * FROM events",
    "WITH RECURSIVE r AS (SELECT org_id, 1 AS n FROM events UNION ALL SELECT org_id, n + 1 FROM r WHERE n < 3) SELECT * FROM r",
    "SELECT * FROM events e, LATERAL (SELECT * FROM events f WHERE f.org_id <> e.org_id) g",
    "SELECT e.org_id, r.org_id FROM events e FULL JOIN records r ON false",
    "SELECT (SELECT max(org_id) FROM events WHERE org_id <> e.org_id) FROM events e",
    # Answers from statistics instead of rows.
    "SELECT min(org_id), max(org_id), min(event_id), max(event_id) FROM events",
    "SELECT DISTINCT org_id FROM events ORDER BY org_id DESC LIMIT 1",
    "SELECT approx_distinct(org_id), array_agg(org_id) FROM events",
    # Filters that would meet others' rows if they ran before the scope.
    "SELECT count(*) FROM events WHERE 1 / (CASE WHEN org_id = 'org_b' THEN 0 ELSE 1 END) = 1",
    "SELECT CAST(event_id AS BIGINT) FROM events",
    "SELECT CAST(replace(event_id, 'x', 'y') AS BIGINT) FROM events ORDER BY seq DESC",
    "SELECT event_id FROM events WHERE regexp_like(org_id, 'b$') OR true",
    # Plans and their statistics.
    "EXPLAIN SELECT * FROM events",
    "EXPLAIN VERBOSE SELECT * FROM events",
    "EXPLAIN ANALYZE SELECT * FROM events",
    "EXPLAIN FORMAT TREE SELECT * FROM events",
    # Catalogues.
    "SELECT * FROM information_schema.tables",
    "SELECT * FROM information_schema.columns",
    "SELECT * FROM information_schema.df_settings",
    "SELECT * FROM information_schema.routines",
    "SELECT * FROM pg_catalog.pg_class",
    "SELECT * FROM pg_catalog.pg_settings",
    "SHOW ALL",
    "SHOW TABLES",
    "SELECT version(), current_user, current_database()",
    # Files, in and out.
    f"COPY events TO '{TARGET}.csv'",
    f"COPY (SELECT * FROM records) TO '{TARGET}.parquet' STORED AS PARQUET",
    f"EXPLAIN COPY events TO '{TARGET}.json'",
    "CREATE EXTERNAL TABLE t STORED AS CSV LOCATION '/etc/passwd'",
    "CREATE EXTERNAL TABLE t STORED AS PARQUET LOCATION 'LAKE'",
    "CREATE VIEW v AS SELECT * FROM records",
    "CREATE FUNCTION f() RETURNS INT RETURN 1",
    "SELECT * FROM '/etc/passwd'",
    'SELECT * FROM "/etc/passwd"',
    'SELECT * FROM "LAKE"',
    "SELECT * FROM read_parquet('LAKE/**/*.parquet')",
    "SELECT * FROM parquet_metadata('LAKE')",
    "SELECT * FROM glob('/')",
    "SELECT pg_read_file('/etc/passwd')",
    "SELECT pg_ls_dir('/')",
    "SELECT getenv('HOME')",
    # Changes.
    "INSERT INTO events SELECT * FROM events",
    "DELETE FROM events",
    "UPDATE events SET org_id = 'org_a'",
    "DROP TABLE events",
    "TRUNCATE events",
    "SET datafusion.catalog.information_schema = true",
    "SET ROLE admin",
    "PREPARE p AS SELECT * FROM records",
    "SELECT 1; SELECT * FROM records",
]

# What a statement must answer that is allowed: its own rows, neither more nor fewer.
OWN = [
    ("SELECT count(*) FROM events", "1"),
    ("SELECT max(seq) - min(seq) FROM events", "0"),
    ("SELECT count(*) FROM events WHERE org_id IS DISTINCT FROM 'org_a'", "0"),
    ("SELECT count(*) FROM events WHERE 1 / (CASE WHEN org_id = 'org_b' THEN 0 ELSE 1 END) = 1", "1"),
]


class Http:
    def __init__(self, where, key):
        self.where, self.key = where, key

    def ask(self, sql):
        answer = requests.post(
            self.where.http + "/v1/sql",
            json={"sql": sql, "format": "csv"},
            headers={"Authorization": f"Bearer {self.key}"},
            verify=self.where.authority,
            timeout=60,
        )
        return answer.text

    def one(self, sql):
        lines = self.ask(sql).splitlines()
        assert len(lines) == 2, (sql, lines)
        return lines[1]


class Postgres:
    def __init__(self, where, key):
        settings = {"sslmode": "verify-full", "sslrootcert": where.authority, "dbname": "credwatch"}
        self.connection = psycopg.connect(
            host="127.0.0.1", port=where.postgres, user=key[4:20], password=key, autocommit=True, **settings
        )

    def ask(self, sql):
        try:
            cursor = self.connection.execute(sql)
            return str(cursor.fetchall()) if cursor.description else str(cursor.statusmessage)
        except psycopg.Error as error:
            return str(error)

    def one(self, sql):
        return str(self.connection.execute(sql).fetchone()[0])


class FlightSql:
    def __init__(self, where, key):
        with open(where.authority) as file:
            trusted = file.read()
        options = {
            "adbc.flight.sql.client_option.tls_root_certs": trusted,
            "adbc.flight.sql.authorization_header": f"Bearer {key}",
        }
        self.connection = flight.connect(f"grpc+tls://127.0.0.1:{where.flight}", db_kwargs=options, autocommit=True)

    def ask(self, sql):
        with self.connection.cursor() as cursor:
            try:
                cursor.execute(sql)
                return str(cursor.fetch_arrow_table().to_pylist())
            except adbc.Error as error:
                return str(error)

    def one(self, sql):
        with self.connection.cursor() as cursor:
            cursor.execute(sql)
            return str(cursor.fetchone()[0])


def check(surface, sql, said, secrets):
    # What the statement itself says may come back in an error's text.
    told = said.replace(sql, "")
    for secret in secrets:
        if secret in told and secret not in sql:
            raise AssertionError(f"{surface}: {sql}\ntells {secret!r}:\n{said[:2000]}")


class Where:
    def __init__(self, http, postgres, flight_port, authority, lake):
        self.http, self.postgres, self.flight, self.authority, self.lake = http, postgres, flight_port, authority, lake


if __name__ == "__main__":
    where = Where(*sys.argv[1:])
    key = sys.stdin.readline().strip()
    secrets = ["org_b", "usr_2", "conn_2", where.lake, ".parquet", "root:x:", "_delta_log", "file://"]
    for surface in [Http, Postgres, FlightSql]:
        client = surface(where, key)
        for sql in HOSTILE:
            sql = sql.replace("LAKE", where.lake)
            check(surface.__name__, sql, client.ask(sql), secrets)
        for sql, expected in OWN:
            found = client.one(sql)
            assert found == expected, f"{surface.__name__}: {sql}: {found}"
    left = [name for name in os.listdir("/tmp") if name.startswith(os.path.basename(TARGET))]
    assert not left, left
    print("ok")
