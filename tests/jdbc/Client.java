import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.sql.Connection;
import java.sql.DriverManager;
import java.sql.PreparedStatement;
import java.sql.ResultSet;
import java.sql.SQLException;
import java.sql.Statement;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Properties;

/** Postgres' JDBC driver against the server: HOST PORT USER CA_FILE, the key on stdin. Says "ok" when all came out. */
public class Client {
    static final String ENDLESS =
        "SELECT sum(a.value * b.value % 7) FROM generate_series(1, 3000000) a, generate_series(1, 3000000) b";

    public static void main(String[] arguments) throws Exception {
        String key = new BufferedReader(new InputStreamReader(System.in)).readLine();
        try (Connection connection = open(arguments, key)) {
            values(connection);
            catalogue(connection);
            cancel(connection);
            manyInPages(connection);
        }
        try {
            open(arguments, "not the key").close();
            throw new AssertionError("a wrong password opened a connection");
        } catch (SQLException refused) {
            same("28P01", refused.getSQLState());
        }
        System.out.println("ok");
    }

    static Connection open(String[] arguments, String password) throws SQLException {
        Properties properties = new Properties();
        properties.setProperty("user", arguments[2]);
        properties.setProperty("password", password);
        properties.setProperty("sslmode", "verify-full");
        properties.setProperty("sslrootcert", arguments[3]);
        String url = "jdbc:postgresql://" + arguments[0] + ":" + arguments[1] + "/credwatch";
        return DriverManager.getConnection(url, properties);
    }

    static void values(Connection connection) throws SQLException {
        String sql = "SELECT count(*), NULL, min(time), array_agg(DISTINCT org_id) FROM events WHERE org_id = ?";
        try (PreparedStatement statement = connection.prepareStatement(sql)) {
            // Often enough for the driver to prepare it by name and to ask for binary values.
            for (int round = 0; round < 8; round++) {
                statement.setString(1, "org_a");
                try (ResultSet rows = statement.executeQuery()) {
                    same(true, rows.next());
                    same(1L, rows.getLong(1));
                    same(null, rows.getString(2));
                    same(true, rows.getTimestamp(3) != null);
                    same("[org_a]", Arrays.toString((Object[]) rows.getArray(4).getArray()));
                }
            }
        }
    }

    static void catalogue(Connection connection) throws SQLException {
        List<String> names = new ArrayList<>();
        try (ResultSet tables = connection.getMetaData().getTables(null, "public", "%", new String[] {"TABLE", "VIEW"})) {
            while (tables.next()) names.add(tables.getString("TABLE_NAME"));
        }
        same(true, names.contains("events") && names.contains("calls"));
        String remarks = null;
        int columns = 0;
        try (ResultSet all = connection.getMetaData().getColumns(null, "public", "events", "%")) {
            while (all.next()) {
                columns++;
                if (all.getString("COLUMN_NAME").equals("org_id")) remarks = all.getString("REMARKS");
            }
        }
        same(true, columns > 20);
        same(true, remarks != null && !remarks.isEmpty());
    }

    static void cancel(Connection connection) throws Exception {
        try (Statement statement = connection.createStatement()) {
            Thread stopper = new Thread(() -> {
                try {
                    while (!statement.isClosed()) {
                        Thread.sleep(100);
                        statement.cancel();
                    }
                } catch (Exception over) {
                    // The statement has ended.
                }
            });
            stopper.start();
            try {
                statement.executeQuery(ENDLESS);
                throw new AssertionError("an endless statement came to an end");
            } catch (SQLException stopped) {
                same("57014", stopped.getSQLState());
            }
            statement.close();
            stopper.join();
        }
    }

    /** The driver fetches in pages within a transaction. */
    static void manyInPages(Connection connection) throws SQLException {
        connection.setAutoCommit(false);
        try (Statement statement = connection.createStatement()) {
            statement.setFetchSize(1000);
            long sum = 0;
            try (ResultSet rows = statement.executeQuery("SELECT value FROM generate_series(1, 100000)")) {
                while (rows.next()) sum += rows.getLong(1);
            }
            same(5000050000L, sum);
        }
        connection.commit();
        connection.setAutoCommit(true);
    }

    static void same(Object expected, Object found) {
        boolean same = expected == null ? found == null : expected.equals(found);
        if (!same) throw new AssertionError("expected " + expected + ", found " + found);
    }
}
