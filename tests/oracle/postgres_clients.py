"""Clients of Postgres that nobody here wrote, against the server.

CLIENT HOST PORT USER CA_FILE, the key on stdin. Says "ok" when everything came out as it should.
"""

import asyncio
import datetime
import decimal
import ssl
import sys
import threading

COUNTED = "SELECT count(*) FROM events WHERE org_id = "
VALUES = "SELECT NULL, min(time), array_agg(DISTINCT org_id) FROM events"
MANY = "SELECT value FROM generate_series(1, 100000)"
ENDLESS = "SELECT sum(a.value * b.value % 7) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b"


def same(expected, found):
    assert expected == found, f"expected {expected!r}, found {found!r}"


def check_values(row):
    nothing, time, orgs = row
    same(None, nothing)
    assert isinstance(time, datetime.datetime) and time.tzinfo is not None, time
    same({"org_a", "org_b"}, set(orgs))


def psycopg_(where, key):
    import psycopg

    settings = {
        "host": where.host,
        "port": where.port,
        "user": where.user,
        "dbname": "credwatch",
        "sslmode": "verify-full",
        "sslrootcert": where.authority,
    }
    with psycopg.connect(**settings, password=key) as connection:
        # Often enough for the driver to prepare it by name.
        for _ in range(8):
            same((1,), connection.execute(COUNTED + "%s", ("org_a",)).fetchone())
        check_values(connection.execute(VALUES).fetchone())
        with connection.cursor(binary=True) as cursor:
            check_values(cursor.execute(VALUES).fetchone())
        same(100_000, len(connection.execute(MANY).fetchall()))
        connection.commit()
        try:
            connection.execute("SELECT count(*) FROM events WHERE status >= %s", (decimal.Decimal("199.5"),))
            raise AssertionError("a value was cut and nobody was told")
        except psycopg.errors.InvalidParameterValue:
            connection.rollback()
        stopped = []

        def run():
            try:
                connection.execute(ENDLESS)
            except psycopg.errors.QueryCanceled as error:
                stopped.append(error)

        running = threading.Thread(target=run)
        running.start()
        while running.is_alive():
            connection.cancel()
            running.join(0.1)
        same(1, len(stopped))
        connection.rollback()
        same((2,), connection.execute("SELECT count(*) FROM events").fetchone())
    try:
        psycopg.connect(**settings, password="not the key")
        raise AssertionError("a wrong password opened a connection")
    except psycopg.OperationalError as refused:
        assert "password" in str(refused), refused
    try:
        psycopg.connect(**{**settings, "sslmode": "disable"}, password=key)
        raise AssertionError("a connection without TLS was let in")
    except psycopg.OperationalError as refused:
        assert "TLS" in str(refused), refused


def sqlalchemy_(where, key):
    import sqlalchemy

    url = sqlalchemy.URL.create(
        "postgresql+psycopg",
        username=where.user,
        password=key,
        host=where.host,
        port=int(where.port),
        database="credwatch",
        query={"sslmode": "verify-full", "sslrootcert": where.authority},
    )
    engine = sqlalchemy.create_engine(url)
    inspector = sqlalchemy.inspect(engine)
    tables, views = inspector.get_table_names(), inspector.get_view_names()
    assert "events" in tables and "findings" in tables and "calls" in views, (tables, views)
    columns = {column["name"]: column for column in inspector.get_columns("events")}
    assert columns["org_id"]["comment"], columns["org_id"]
    assert isinstance(columns["time"]["type"], sqlalchemy.types.TIMESTAMP), columns["time"]
    events = sqlalchemy.Table("events", sqlalchemy.MetaData(), autoload_with=engine)
    with engine.connect() as connection:
        counted = sqlalchemy.select(sqlalchemy.func.count()).select_from(events).where(events.c.org_id == "org_a")
        same(1, connection.execute(counted).scalar_one())
        check_values(connection.execute(sqlalchemy.text(VALUES)).one())
        same(100_000, len(connection.execute(sqlalchemy.text(MANY)).all()))


def asyncpg_(where, key):
    import asyncpg

    trust = ssl.create_default_context(cafile=where.authority)
    settings = {"host": where.host, "port": where.port, "user": where.user, "database": "credwatch", "ssl": trust}

    async def run():
        async with asyncpg.create_pool(**settings, password=key, min_size=1, max_size=2) as pool:
            for _ in range(4):
                async with pool.acquire() as connection:
                    same(1, await connection.fetchval(COUNTED + "$1", "org_a"))
                    check_values(tuple(await connection.fetchrow(VALUES)))
            async with pool.acquire() as connection:
                same(100_000, len(await connection.fetch(MANY)))
                async with connection.transaction():
                    sum_ = 0
                    async for row in connection.cursor(MANY, prefetch=1000):
                        sum_ += row["value"]
                    same(5_000_050_000, sum_)
                try:
                    await connection.execute(ENDLESS, timeout=0.5)
                    raise AssertionError("an endless statement came to an end")
                except (TimeoutError, asyncio.TimeoutError):
                    pass
                same(2, await connection.fetchval("SELECT count(*) FROM events"))
        try:
            await asyncpg.connect(**settings, password="not the key")
            raise AssertionError("a wrong password opened a connection")
        except asyncpg.InvalidPasswordError:
            pass

    asyncio.run(run())


class Where:
    def __init__(self, host, port, user, authority):
        self.host, self.port, self.user, self.authority = host, port, user, authority


CLIENTS = {"psycopg": psycopg_, "sqlalchemy": sqlalchemy_, "asyncpg": asyncpg_}

if __name__ == "__main__":
    client, *where = sys.argv[1:]
    CLIENTS[client](Where(*where), sys.stdin.readline().strip())
    print("ok")
