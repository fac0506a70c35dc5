package dev.sessiond.spring.session.application;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sessiond.spring.session.ReactiveSessiondSessionRepository;
import dev.sessiond.spring.session.SessiondServer;
import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.List;
import java.util.Locale;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.Test;
import org.springframework.boot.autoconfigure.EnableAutoConfiguration;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.security.config.web.server.ServerHttpSecurity;
import org.springframework.security.web.server.SecurityWebFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.server.WebSession;
import reactor.core.publisher.Mono;

/** A whole reactive application. */
class ReactiveApplicationTest {

    @Configuration(proxyBeanMethods = false)
    @EnableAutoConfiguration
    static class Application {

        @Bean
        SecurityWebFilterChain security(ServerHttpSecurity http) {
            return http.authorizeExchange(exchange -> exchange.anyExchange().permitAll())
                    .build();
        }

        @Bean
        Pages pages(ReactiveSessiondSessionRepository sessions) {
            return new Pages(sessions);
        }
    }

    @RestController
    static class Pages {

        private final ReactiveSessiondSessionRepository sessions;

        Pages(ReactiveSessiondSessionRepository sessions) {
            this.sessions = sessions;
        }

        @GetMapping("/visits")
        int visits(WebSession session) {
            int visits = session.getAttributeOrDefault("visits", 0) + 1;
            session.getAttributes().put("visits", visits);
            return visits;
        }

        /** How many sessions of this principal are named by their ID: the request's own is. */
        @GetMapping("/own")
        Mono<Long> own(WebSession session) {
            session.getAttributes().put(ReactiveSessiondSessionRepository.PRINCIPAL_NAME_INDEX_NAME, "ada");
            return session.save()
                    .then(sessions.findByPrincipalName("ada"))
                    .map(found -> found.keySet().stream()
                            .filter(session.getId()::equals)
                            .count());
        }

        @GetMapping("/renew")
        Mono<String> renew(WebSession session) {
            return session.changeSessionId().thenReturn("renewed");
        }

        @GetMapping("/end")
        Mono<String> end(WebSession session) {
            return session.invalidate().thenReturn("ended");
        }
    }

    private static ConfigurableApplicationContext start(SessiondServer server, String... more) {
        return new SpringApplicationBuilder(Application.class)
                .properties(
                        "server.port=0",
                        "spring.main.web-application-type=reactive",
                        "spring.session.sessiond.address=" + server.address())
                .properties(more)
                .run();
    }

    private static String siteOf(ConfigurableApplicationContext application) {
        return "http://localhost:" + application.getEnvironment().getProperty("local.server.port");
    }

    @Test
    void aVisitorIsKnownOverARestartOfTheServer() throws Exception {
        try (SessiondServer server = new SessiondServer();
                ConfigurableApplicationContext application = start(server, "spring.session.sessiond.call-timeout=2s")) {
            CookieManager cookies = new CookieManager();
            HttpClient http = HttpClient.newBuilder().cookieHandler(cookies).build();
            String site = siteOf(application);
            assertThat(get(http, site + "/visits").body()).isEqualTo("1");
            assertThat(get(http, site + "/visits").body()).isEqualTo("2");
            assertThat(get(http, site + "/own").body()).isEqualTo("1");
            String before = cookies.getCookieStore().getCookies().toString();
            assertThat(get(http, site + "/renew").body()).isEqualTo("renewed");
            assertThat(cookies.getCookieStore().getCookies().toString()).isNotEqualTo(before);
            server.kill();
            long begin = System.nanoTime();
            assertThat(get(http, site + "/visits").statusCode()).isEqualTo(503);
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(7));
            server.start();
            Awaitility.await().until(() -> get(http, site + "/renew").statusCode() == 200);
            assertThat(get(http, site + "/visits").body()).isEqualTo("3");
            assertThat(get(http, site + "/end").body()).isEqualTo("ended");
            assertThat(get(http, site + "/visits").body()).isEqualTo("1");
        }
    }

    /** The name and the attributes of a new visitor's cookie, who comes through a proxy that ends TLS. */
    private static List<String> cookieOverHttps(SessiondServer server, String... settings) throws Exception {
        try (ConfigurableApplicationContext application = start(server, settings)) {
            HttpRequest.Builder request = HttpRequest.newBuilder(URI.create(siteOf(application) + "/visits"))
                    .header("X-Forwarded-Proto", "https")
                    .timeout(Duration.ofSeconds(10));
            HttpResponse<String> answer =
                    HttpClient.newHttpClient().send(request.build(), HttpResponse.BodyHandlers.ofString());
            String cookie = answer.headers().firstValue("Set-Cookie").orElseThrow();
            // Netty writes HTTPOnly; to browsers it is the same.
            return List.of(
                    cookie.replaceFirst("=[^;]*", "").toLowerCase(Locale.ROOT).split("; "));
        }
    }

    @Test
    void theCookieIsStrictByItselfAndSecureOverHttps() throws Exception {
        try (SessiondServer server = new SessiondServer()) {
            String patience = "spring.session.sessiond.call-timeout=10s";
            assertThat(cookieOverHttps(server, patience))
                    .containsExactlyInAnyOrder("session", "httponly", "path=/", "samesite=lax");
            assertThat(cookieOverHttps(server, patience, "server.forward-headers-strategy=native"))
                    .containsExactlyInAnyOrder("session", "httponly", "path=/", "samesite=lax", "secure");
            assertThat(cookieOverHttps(
                            server,
                            patience,
                            "server.reactive.session.cookie.name=__Host-SESSION",
                            "server.reactive.session.cookie.secure=true",
                            "server.reactive.session.cookie.same-site=strict"))
                    .containsExactlyInAnyOrder("__host-session", "httponly", "path=/", "samesite=strict", "secure");
            assertThat(cookieOverHttps(server, patience, "server.reactive.session.cookie.same-site=omitted"))
                    .containsExactlyInAnyOrder("session", "httponly", "path=/");
        }
    }

    private static HttpResponse<String> get(HttpClient http, String page) throws Exception {
        return http.send(
                HttpRequest.newBuilder(URI.create(page))
                        .timeout(Duration.ofSeconds(10))
                        .build(),
                HttpResponse.BodyHandlers.ofString());
    }
}
