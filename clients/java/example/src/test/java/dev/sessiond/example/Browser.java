package dev.sessiond.example;

import java.net.CookieManager;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/** A visitor, who keeps cookies and fills in forms. */
final class Browser {

    private static final Pattern TOKEN = Pattern.compile("name=\"_csrf\"[^>]*value=\"([^\"]+)\"");

    private final CookieManager cookies = new CookieManager();
    private final HttpClient http = HttpClient.newBuilder()
            .cookieHandler(cookies)
            .followRedirects(HttpClient.Redirect.NORMAL)
            .build();
    private final String site;

    Browser(String site) {
        this.site = site;
    }

    HttpResponse<String> get(String path) throws Exception {
        return send(HttpRequest.newBuilder(URI.create(site + path)));
    }

    /** As a proxy asks that ends TLS. */
    HttpResponse<String> getOverHttps(String path) throws Exception {
        return send(HttpRequest.newBuilder(URI.create(site + path)).header("X-Forwarded-Proto", "https"));
    }

    private HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
        return http.send(request.timeout(Duration.ofSeconds(10)).build(), HttpResponse.BodyHandlers.ofString());
    }

    /** Fills in the form on a page, and sends it. */
    HttpResponse<String> send(String page, String to, Map<String, String> form) throws Exception {
        HttpResponse<String> shown = get(page);
        Matcher token = TOKEN.matcher(shown.body());
        if (shown.statusCode() != 200 || !token.find()) {
            return shown;
        }
        return post(to, form, token.group(1));
    }

    HttpResponse<String> post(String to, Map<String, String> form, String token) throws Exception {
        String fields = form.entrySet().stream()
                .map(field -> "&" + field.getKey() + "=" + URLEncoder.encode(field.getValue(), StandardCharsets.UTF_8))
                .collect(Collectors.joining());
        return send(HttpRequest.newBuilder(URI.create(site + to))
                .header("Content-Type", "application/x-www-form-urlencoded")
                .POST(HttpRequest.BodyPublishers.ofString(
                        "_csrf=" + URLEncoder.encode(token, StandardCharsets.UTF_8) + fields)));
    }

    HttpResponse<String> logIn(String name) throws Exception {
        return send("/login", "/login", Map.of("username", name, "password", "correct horse"));
    }

    String cookie() {
        return cookies.getCookieStore().getCookies().toString();
    }
}
