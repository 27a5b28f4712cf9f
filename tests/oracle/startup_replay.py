"""What DBeaver, Grafana, Metabase and Superset send when they connect and browse the catalogue, sent to the server again.

CLIENT HOST PORT USER CA_FILE, the key on stdin. Each statement of startup/CLIENT.sql goes by the simple protocol and by
the extended one. Says "ok" when everything came out as it should.
"""

import pathlib
import re
import sys

import psycopg
from psycopg.types.numeric import Int8

# What clients have read before. DBeaver reads schemas on one connection and asks for what is in them on another.
OIDS = {
    "database_oid": "SELECT oid FROM pg_catalog.pg_database WHERE datname = 'credwatch'",
    "public_oid": "SELECT oid FROM pg_catalog.pg_namespace WHERE nspname = 'public'",
    "events_oid": "SELECT oid FROM pg_catalog.pg_class WHERE relname = 'events'",
    "calls_oid": "SELECT oid FROM pg_catalog.pg_class WHERE relname = 'calls'",
}
OID = re.compile(r"(?<![:\w]):(\w+_oid)\b")

# A part of a statement (";" is its end), a column of its answer or None for any, and what must be in that column.
EXPECTED = {
    "dbeaver": [
        ("SELECT current_schema(),session_user", None, "public"),
        ("SELECT n.oid,n.*,d.description FROM pg_catalog.pg_namespace", "nspname", "public"),
        ("SELECT typinput='pg_catalog.array_in'::regproc", "is_array", True),
        ("SHOW search_path", None, "public"),
        ("FROM pg_catalog.pg_database db WHERE datname='credwatch'", "datname", "credwatch"),
        ("select * from pg_catalog.pg_settings", "setting", "on"),
        ("et.typcategory <> 'C');", "typname", "timestamptz"),
        ("AND c.relkind not in ('i','I','c');", "relname", "events"),
        ("AND c.relkind not in ('i','I','c');", "relname", "calls"),
        ("AND c.relkind not in ('i','I','c');", "description", "Every event, once."),
        ("AND c.relnamespace=:public_oid\nORDER BY a.attnum;", "attname", "org_id"),
        ("AND c.oid=:events_oid\nORDER BY a.attnum;", "relname", "events"),
        ("AND c.oid=:events_oid\nORDER BY a.attnum;", "attname", "org_id"),
        ("AND c.oid=:events_oid\nORDER BY a.attnum;", "description", "HTTP status"),
        ("SELECT COUNT(*) FROM public.events", None, 2),
        ("SELECT x.* FROM public.events x", "org_id", "org_a"),
    ],
    "grafana": [
        ("SELECT current_setting('server_version_num')", "version", 1600),
        ("SELECT datname", "datname", "credwatch"),
        ("SELECT schema_name", "schema_name", "public"),
        ('SELECT quote_ident(table_name) AS "table"', "table", "events"),
        ("SELECT\n    CASE WHEN", "table", "events"),
        ('SELECT quote_ident(column_name) AS "column"', "column", "org_id"),
        ('SELECT quote_ident(column_name) AS "column"', "type", "timestamp with time zone"),
        ("SELECT org_id, time FROM events", "org_id", "org_a"),
        ("SELECT\n  floor(extract(epoch from time)", "events", 2),
    ],
    "superset": [
        ("SELECT org_id AS org_id, count(*)", "org_id", "org_a"),
        ("SELECT DATE_TRUNC('HOUR', time)", "events", 2),
        ("SELECT SUM(value)", "total", 465),
    ],
    "metabase": [
        ("SHOW TRANSACTION ISOLATION LEVEL", None, "read committed"),
        ("select current_catalog", None, "credwatch"),
        ('SELECT nspname AS "TABLE_SCHEM"', "TABLE_SCHEM", "public"),
        ("with table_privileges", "table", "events"),
        ("with table_privileges", "select", True),
        ('SELECT "n"."nspname" AS "schema"', "name", "events"),
        ('SELECT "n"."nspname" AS "schema"', "type", "VIEW"),
        ('SELECT "n"."nspname" AS "schema"', "description", "Every event, once."),
        ("show timezone", None, "UTC"),
        ('SELECT "c"."column_name" AS "name"', "name", "org_id"),
        ('SELECT "c"."column_name" AS "name"', "database-type", "timestamptz"),
        ('SELECT "c"."column_name" AS "name"', "field-comment", "HTTP status"),
        ("SELECT * FROM (SELECT current_database()", "attname", "org_id"),
        ('SELECT SUBSTRING("public"."events"."org_id"', "substring1", "org_a"),
        ('SELECT COUNT(*) AS "count"', "count", 2),
    ],
}


def statements(client):
    text = pathlib.Path(__file__).with_name("startup").joinpath(f"{client}.sql").read_text()
    _, _, text = text.partition("\n")
    return text.removesuffix(";\n").split(";\n")


def simply(connection, statement, oids):
    with psycopg.ClientCursor(connection) as cursor:
        return answer(cursor.execute(OID.sub(lambda name: str(oids[name[1]]), statement), prepare=False))


def extended(connection, statement, oids):
    with connection.cursor() as cursor:
        if not OID.search(statement):
            return answer(cursor.execute(statement, prepare=True))
        values = {name: Int8(oid) for name, oid in oids.items()}
        return answer(cursor.execute(OID.sub(r"%(\1)s", statement.replace("%", "%%")), values, prepare=True))


def answer(cursor):
    """Its columns: names and values."""
    if cursor.description is None:
        return []
    rows = cursor.fetchall()
    return [(column.name, [row[place] for row in rows]) for place, column in enumerate(cursor.description)]


def missing(client, statement, columns):
    for part, name, value in EXPECTED[client]:
        if part in statement + ";":
            values = [one for known, values in columns if name in (None, known) for one in values]
            if value not in values:
                yield f"no {value!r} in {name or 'any column'}: {values[:20]}"


def replay(client, connect):
    sent, problems = statements(client), []
    for part, _, _ in EXPECTED[client]:
        assert any(part in statement + ";" for statement in sent), part
    with connect() as connection:
        oids = {name: connection.execute(sql).fetchone()[0] for name, sql in OIDS.items()}
    for ask in (simply, extended):
        with connect() as connection:
            for statement in sent:
                try:
                    found = list(missing(client, statement, ask(connection, statement, oids)))
                except psycopg.Error as error:
                    found = [f"{error.sqlstate}: {error}"]
                problems += [f"{ask.__name__}: {statement}\n  {problem}" for problem in found]
    assert not problems, "\n".join([f"{len(problems)} problems", *problems])


if __name__ == "__main__":
    client, host, port, user, authority = sys.argv[1:]
    settings = {"host": host, "port": port, "user": user, "password": sys.stdin.readline().strip()}
    settings |= {"dbname": "credwatch", "sslmode": "verify-full", "sslrootcert": authority}
    replay(client, lambda: psycopg.connect(**settings, autocommit=True))
    print("ok")
