package dev.sessiond.bench;

import java.io.BufferedInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.Base64;
import java.util.Collections;
import java.util.List;

/** As little of an HTTP client as will do, so that the site is measured and not this: one connection for each thread. */
final class Browser implements AutoCloseable {

    private final int port;
    private final List<Connection> connections = Collections.synchronizedList(new ArrayList<>());
    private final ThreadLocal<Connection> own = ThreadLocal.withInitial(this::connect);

    private record Connection(Socket socket, InputStream in) {}

    Browser(int port) {
        this.port = port;
    }

    private Connection connect() {
        try {
            Socket socket = new Socket(InetAddress.getLoopbackAddress(), port);
            socket.setTcpNoDelay(true);
            Connection connection = new Connection(socket, new BufferedInputStream(socket.getInputStream()));
            connections.add(connection);
            return connection;
        } catch (IOException e) {
            throw new IllegalStateException(e);
        }
    }

    /** Gets a page as the visitor of a session; the status. */
    int get(String path, String sessionId) throws IOException {
        Connection connection = own.get();
        String cookie = Base64.getEncoder().encodeToString(sessionId.getBytes(StandardCharsets.US_ASCII));
        String request = "GET " + path + " HTTP/1.1\r\nHost: localhost\r\nCookie: SESSION=" + cookie + "\r\n\r\n";
        connection.socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
        String status = line(connection.in);
        int length = 0;
        for (String header = line(connection.in); !header.isEmpty(); header = line(connection.in)) {
            if (header.regionMatches(true, 0, "Content-Length:", 0, 15)) {
                length = Integer.parseInt(header.substring(15).strip());
            }
        }
        connection.in.readNBytes(length);
        if (!status.contains(" 200")) {
            throw new IOException(path + " answers " + status);
        }
        return 200;
    }

    private static String line(InputStream in) throws IOException {
        StringBuilder line = new StringBuilder(64);
        for (int c = in.read(); c != '\n'; c = in.read()) {
            if (c < 0) {
                throw new IOException("The site closed the connection");
            }
            if (c != '\r') {
                line.append((char) c);
            }
        }
        return line.toString();
    }

    @Override
    public void close() throws IOException {
        for (Connection connection : connections) {
            connection.socket.close();
        }
    }
}
