// Receives webhooks with the JDK alone; it needs 17 or newer. In an application, read JSON with the library that you have.
// MILEPOST_MANAGEMENT_TOKEN=… PORT=9000 java Receiver.java
import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.nio.charset.StandardCharsets;
import java.security.GeneralSecurityException;
import java.security.MessageDigest;
import java.util.HexFormat;
import java.util.Objects;
import java.util.Set;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.Executors;
import java.util.regex.Pattern;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

class Receiver {
    static final byte[] TOKEN = System.getenv("MILEPOST_MANAGEMENT_TOKEN").strip().getBytes(StandardCharsets.UTF_8);
    /** In production: a table with a unique key, kept for two days. */
    static final Set<String> SEEN = ConcurrentHashMap.newKeySet();

    public static void main(String[] arguments) throws IOException {
        int port = Integer.parseInt(Objects.requireNonNullElse(System.getenv("PORT"), "9000"));
        HttpServer server = HttpServer.create(new InetSocketAddress("127.0.0.1", port), 0);
        server.setExecutor(Executors.newFixedThreadPool(8));
        server.createContext("/", Receiver::receive);
        server.start();
        System.out.println("listening on http://127.0.0.1:" + server.getAddress().getPort());
    }

    static void receive(HttpExchange exchange) throws IOException {
        // The signature is over the bytes as they came: check it before anything is parsed.
        byte[] body = exchange.getRequestBody().readAllBytes();
        String given = Objects.requireNonNullElse(exchange.getRequestHeaders().getFirst("SC-Signature"), "");
        if (!MessageDigest.isEqual(sign(body).getBytes(StandardCharsets.UTF_8), given.getBytes(StandardCharsets.UTF_8))) {
            answer(exchange, 401, "{\"error\":\"wrong signature\"}");
            return;
        }
        String event = new String(body, StandardCharsets.UTF_8);
        String name = Objects.requireNonNullElse(member(event, "eventName"), member(event, "eventType"));
        if (name.equalsIgnoreCase("verify")) {
            String challenge = sign(member(event, "challenge").getBytes(StandardCharsets.UTF_8));
            answer(exchange, 200, "{\"challenge\":\"" + challenge + "\"}");
            return;
        }
        // What a repeated event has in common with its first delivery.
        String id = Objects.requireNonNullElse(member(event, "eventId"), String.valueOf(member(event, "requestId")));
        // Put the event into a queue here, and do the work after the answer.
        System.out.println(SEEN.add(id) ? name : name + " again");
        answer(exchange, 200, "{}");
    }

    static String sign(byte[] message) {
        try {
            Mac mac = Mac.getInstance("HmacSHA256");
            mac.init(new SecretKeySpec(TOKEN, "HmacSHA256"));
            return HexFormat.of().formatHex(mac.doFinal(message));
        } catch (GeneralSecurityException impossible) {
            throw new IllegalStateException(impossible);
        }
    }

    /** The first text under a name: enough for this example, and no replacement for a JSON library. */
    static String member(String json, String name) {
        var found = Pattern.compile("\"" + name + "\"\\s*:\\s*\"([^\"\\\\]*)\"").matcher(json);
        return found.find() ? found.group(1) : null;
    }

    static void answer(HttpExchange exchange, int status, String json) throws IOException {
        byte[] body = json.getBytes(StandardCharsets.UTF_8);
        exchange.getResponseHeaders().set("Content-Type", "application/json");
        exchange.sendResponseHeaders(status, body.length);
        exchange.getResponseBody().write(body);
        exchange.close();
    }
}
