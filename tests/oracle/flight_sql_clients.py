"""ADBC, the client of Flight SQL that data frames use, against the server.

HOST PORT USER CA_FILE, the key on stdin. Says "ok" when everything came out as it should.
"""

import datetime
import sys
import threading

import adbc_driver_flightsql.dbapi as flight
import adbc_driver_manager as adbc
import pyarrow

COUNTED = "SELECT count(*) FROM events WHERE org_id = $1 AND seq >= $2"
VALUES = "SELECT NULL, min(time), array_agg(DISTINCT org_id) FROM events"
DIGITS = "(VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9))"
# A hundred thousand rows.
MANY = (
    "SELECT a.column1 + 10 * b.column1 + 100 * c.column1 + 1000 * d.column1 + 10000 * e.column1 AS n "
    f"FROM {DIGITS} a, {DIGITS} b, {DIGITS} c, {DIGITS} d, {DIGITS} e"
)
ENDLESS = f"SELECT sum(a.n * b.n % 7) FROM ({MANY}) a, ({MANY}) b"


def same(expected, found):
    assert expected == found, f"expected {expected!r}, found {found!r}"


def refused(words, call):
    try:
        call()
    except adbc.Error as error:
        assert words in str(error), error
    else:
        raise AssertionError(f"expected a refusal: {words}")


def values(connection):
    with connection.cursor() as cursor:
        for org, count in [("org_a", 1), ("org_b", 1), ("org_a' OR 'x' = 'x", 0)]:
            cursor.execute(COUNTED, (org, 0))
            same((count,), cursor.fetchone())
        cursor.execute(VALUES)
        nothing, time, orgs = cursor.fetchone()
        same(None, nothing)
        assert isinstance(time, datetime.datetime) and time.tzinfo is not None, time
        same({"org_a", "org_b"}, set(orgs))


def columns(connection):
    with connection.cursor() as cursor:
        cursor.execute(MANY)
        table = cursor.fetch_arrow_table()
        same(100_000, table.num_rows)
        same(100_000 * 99_999 // 2, sum(table.column("n").to_pylist()))
        cursor.execute("SELECT * FROM events")
        whole = cursor.fetch_arrow_table()
        same(2, whole.num_rows)
        assert pyarrow.types.is_timestamp(whole.schema.field("time").type), whole.schema


def catalogue(connection):
    info = connection.adbc_get_info()
    same("credwatch", info["vendor_name"])
    same({"BASE TABLE", "VIEW"}, set(connection.adbc_get_table_types()))
    objects = connection.adbc_get_objects(depth="columns").read_all().to_pylist()
    schemas = {schema["db_schema_name"]: schema for schema in objects[0]["catalog_db_schemas"]}
    tables = {table["table_name"]: table for table in schemas["public"]["db_schema_tables"]}
    assert {"events", "findings", "calls"} <= set(tables), set(tables)
    assert "org_id" in {column["column_name"] for column in tables["events"]["table_columns"]}
    status = connection.adbc_get_table_schema("events").field("status")
    assert b"HTTP" in status.metadata[b"ARROW:FLIGHT:SQL:REMARKS"], status.metadata


def stopped(connection):
    with connection.cursor() as cursor:
        timer = threading.Timer(0.5, cursor.adbc_cancel)
        timer.start()

        def run():
            cursor.execute(ENDLESS)
            cursor.fetchone()

        refused("ancel", run)
        timer.join()


def errors(connection):
    with connection.cursor() as cursor:
        refused("nothing", lambda: cursor.execute("SELECT * FROM nothing"))
        refused("read", lambda: cursor.execute("CREATE TABLE t AS SELECT 1"))


def main(host, port, user, authority):
    key = sys.stdin.readline().strip()
    with open(authority) as file:
        trusted = file.read()

    def connect(**more):
        options = {"adbc.flight.sql.client_option.tls_root_certs": trusted, **more}
        return flight.connect(f"grpc+tls://{host}:{port}", db_kwargs=options, autocommit=True)

    with connect(**{"adbc.flight.sql.authorization_header": f"Bearer {key}"}) as connection:
        for part in [values, columns, catalogue, stopped, errors, values]:
            part(connection)
    with connect(username=user, password=key, **{"adbc.flight.sql.rpc.call_header.org": "org_a"}) as connection:
        with connection.cursor() as cursor:
            cursor.execute("SELECT DISTINCT org_id FROM events")
            same([("org_a",)], cursor.fetchall())

    def ask(**more):
        with connect(**more) as connection, connection.cursor() as cursor:
            cursor.execute("SELECT 1")

    refused("no API key", lambda: ask(username=user, password="not the key"))
    refused("a key is needed", ask)
    wrong = key[:-4] + ("0000" if key[-4:] != "0000" else "1111")
    refused("there is no such key", lambda: ask(**{"adbc.flight.sql.authorization_header": f"Bearer {wrong}"}))
    print("ok")


if __name__ == "__main__":
    main(*sys.argv[1:])
