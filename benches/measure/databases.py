"""The three databases, each with the tables of Glance."""

import os
import shutil
import sqlite3
from hashlib import md5
from urllib.parse import urlsplit

import psycopg2
import pymysql
from pymysql.constants import CLIENT

NAME = "glance_bench"


class Database:
    """A Glance database of the bench, recreated by `reset`."""

    def reset(self):
        raise NotImplementedError

    def connect(self):
        raise NotImplementedError

    def execute(self, statements):
        """Runs the statements in one transaction."""
        connection = self.connect()
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)
        connection.commit()
        connection.close()

    def number(self, query):
        connection = self.connect()
        cursor = connection.cursor()
        cursor.execute(query)
        (number,) = cursor.fetchone()
        connection.close()
        return number

    def deadlocks(self):
        """Returns the deadlocks since the server's start; None if the database does not count them."""
        return None

    def settle(self):
        """Updates statistics and flushes, so that both sides start from the same state."""
        raise NotImplementedError

    def numbers(self, count):
        """Returns SQL for a table of the numbers `n` from 1 to `count`."""
        raise NotImplementedError

    def ago(self, seconds):
        """Returns the text of a time that many seconds ago."""
        raise NotImplementedError

    def bulk(self, statements):
        """Executes statements that fill empty tables, with settings for fast bulk loading."""
        self.execute(statements)


class MariaDb(Database):
    label = "MariaDB"

    def __init__(self, url, schema):
        self.url = f"{url}/{NAME}"
        self.server = urlsplit(url)
        with open(os.path.join(schema, "mariadb.sql"), encoding="utf-8") as text:
            self.schema = text.read()

    def connect(self, database=NAME):
        return pymysql.connect(
            host=self.server.hostname,
            port=self.server.port,
            user=self.server.username,
            password=self.server.password,
            database=database,
            client_flag=CLIENT.MULTI_STATEMENTS,
        )

    def reset(self):
        connection = self.connect(None)
        cursor = connection.cursor()
        cursor.execute(f"DROP DATABASE IF EXISTS {NAME}")
        cursor.execute(f"CREATE DATABASE {NAME} CHARACTER SET utf8mb4")
        cursor.execute(f"USE {NAME}")
        cursor.execute(self.schema)
        while cursor.nextset():
            pass
        connection.commit()
        connection.close()

    def settle(self):
        tables = "images, image_locations, image_properties, image_tags, image_members"
        self.execute([f"ANALYZE TABLE {tables}"])

    def numbers(self, count):
        return f"(SELECT seq AS n FROM seq_1_to_{count}) numbers"

    def ago(self, seconds):
        return f"UTC_TIMESTAMP() - INTERVAL ({seconds}) SECOND"

    def bulk(self, statements):
        self.execute(["SET foreign_key_checks = 0, unique_checks = 0", *statements])

    def deadlocks(self):
        query = (
            "SELECT VARIABLE_VALUE FROM information_schema.GLOBAL_STATUS"
            " WHERE VARIABLE_NAME = 'INNODB_DEADLOCKS'"
        )
        return int(self.number(query))

    def sqlx_url(self):
        return self.url.replace("mysql+pymysql:", "mysql:")


class PostgreSql(Database):
    label = "PostgreSQL"

    def __init__(self, url):
        self.url = f"{url}/{NAME}"
        self.server = url.replace("postgresql+psycopg2:", "postgresql:")

    def connect(self, database=NAME):
        return psycopg2.connect(f"{self.server}/{database}")

    def reset(self):
        connection = self.connect("postgres")
        connection.autocommit = True
        cursor = connection.cursor()
        cursor.execute(f"DROP DATABASE IF EXISTS {NAME} WITH (FORCE)")
        cursor.execute(f"CREATE DATABASE {NAME} TEMPLATE glance_template")
        connection.close()

    def settle(self):
        connection = self.connect()
        connection.autocommit = True
        connection.cursor().execute("VACUUM ANALYZE")
        connection.cursor().execute("CHECKPOINT")
        connection.close()

    def numbers(self, count):
        return f"generate_series(1::bigint, {count}) AS numbers(n)"

    def ago(self, seconds):
        return (
            f"date_trunc('second', now() AT TIME ZONE 'UTC') - ({seconds}) * interval '1 second'"
        )

    def sqlx_url(self):
        return f"{self.server}/{NAME}"


class Sqlite(Database):
    label = "SQLite"

    def __init__(self, schema, folder):
        self.path = os.path.join(folder, "glance.db")
        self.url = f"sqlite:///{self.path}"
        self.schema = os.path.join(schema, "sqlite.db")

    def connect(self):
        connection = sqlite3.connect(self.path)
        # what the others have, and Debian's SQLite lacks
        connection.create_function("md5", 1, lambda n: md5(str(n).encode()).hexdigest())
        connection.create_function("repeat", 2, lambda text, times: text * times)
        connection.create_function("concat", -1, lambda *parts: "".join(map(str, parts)))
        return connection

    def numbers(self, count):
        return (
            f"(WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count})"
            " SELECT n FROM s) numbers"
        )

    def ago(self, seconds):
        return (
            "strftime('%Y-%m-%d %H:%M:%S.000000', strftime('%s', 'now')"
            f" - ({seconds}), 'unixepoch')"
        )

    def reset(self):
        shutil.copyfile(self.schema, self.path)

    def bulk(self, statements):
        self.execute(["PRAGMA cache_size = -2000000", "PRAGMA synchronous = OFF", *statements])

    def settle(self):
        os.sync()
