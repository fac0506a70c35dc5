package dev.sessiond.spring.session.application;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sessiond.client.SessiondClient;
import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.SessiondServer;
import dev.sessiond.spring.session.SessiondSession;
import jakarta.servlet.http.HttpSession;
import java.net.CookieManager;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.Arrays;
import java.util.List;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.springframework.beans.factory.annotation.Autowired;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.context.annotation.Bean;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.csrf.CsrfToken;
import org.springframework.security.web.csrf.HttpSessionCsrfTokenRepository;
import org.springframework.session.security.SpringSessionBackedSessionRegistry;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

/** A whole Spring Boot application with Spring Security and the actuator, over a server of its own. */
class ServletApplicationTest {

    private final SessiondServer server = new SessiondServer();
    private ConfigurableApplicationContext application;

    @SpringBootApplication
    @RestController
    static class Application {

        @Autowired
        private SessiondIndexedSessionRepository sessions;

        @GetMapping("/visits")
        int visits(HttpSession session) {
            Integer visits = (Integer) session.getAttribute("visits");
            session.setAttribute("visits", visits == null ? 1 : visits + 1);
            return (Integer) session.getAttribute("visits");
        }

        @GetMapping("/token")
        String token(CsrfToken token) {
            return token.getToken();
        }

        /** What the session has beside its attributes, and a label for it. */
        @GetMapping("/label")
        String label(HttpSession session) {
            SessiondSession current = sessions.findCurrent().orElseThrow();
            session.setAttribute("seen", true);
            current.setLabel("site", "spring");
            return current.getPrincipal().orElse("nobody");
        }

        @PostMapping("/form")
        String form() {
            return "taken";
        }

        @Bean
        UserDetailsService users() {
            return new InMemoryUserDetailsManager(User.withUsername("ada")
                    .password("{noop}secret")
                    .roles("USER")
                    .build());
        }

        @Bean
        SecurityFilterChain security(HttpSecurity http, SessiondIndexedSessionRepository sessions) throws Exception {
            return http.authorizeHttpRequests(requests -> requests.requestMatchers(
                                    "/actuator/**", "/token", "/visits", "/label", "/login")
                            .permitAll()
                            .anyRequest()
                            .authenticated())
                    .csrf(csrf -> csrf.csrfTokenRepository(new HttpSessionCsrfTokenRepository())
                            .ignoringRequestMatchers("/actuator/**"))
                    .formLogin(form -> form.defaultSuccessUrl("/visits", true))
                    .sessionManagement(management -> management
                            .maximumSessions(2)
                            .sessionRegistry(new SpringSessionBackedSessionRegistry<>(sessions)))
                    .build();
        }
    }

    private void start(String... more) {
        application = new SpringApplicationBuilder(Application.class)
                .properties(
                        "server.port=0",
                        "spring.main.web-application-type=servlet",
                        "spring.session.sessiond.address=" + server.address(),
                        // More patience than a busy machine needs.
                        "spring.session.sessiond.call-timeout=10s",
                        "management.endpoints.web.exposure.include=health,sessions",
                        "management.endpoint.health.show-components=always")
                .properties(more)
                .run();
    }

    @AfterEach
    void close() {
        application.close();
        server.close();
    }

    private final class Browser {
        private final CookieManager cookies = new CookieManager();
        private final HttpClient http = HttpClient.newBuilder()
                .cookieHandler(cookies)
                .followRedirects(HttpClient.Redirect.NORMAL)
                .build();

        private HttpResponse<String> send(HttpRequest.Builder request) throws Exception {
            return http.send(request.timeout(Duration.ofSeconds(10)).build(), HttpResponse.BodyHandlers.ofString());
        }

        private HttpRequest.Builder to(String path) {
            return HttpRequest.newBuilder(URI.create(
                    "http://localhost:" + application.getEnvironment().getProperty("local.server.port") + path));
        }

        HttpResponse<String> get(String path) throws Exception {
            return send(to(path));
        }

        /** As a proxy asks that ends TLS. */
        HttpResponse<String> getOverHttps(String path) throws Exception {
            return send(to(path).header("X-Forwarded-Proto", "https"));
        }

        HttpResponse<String> delete(String path) throws Exception {
            return send(to(path).DELETE());
        }

        HttpResponse<String> post(String path, String form) throws Exception {
            String token = java.net.URLEncoder.encode(get("/token").body(), java.nio.charset.StandardCharsets.UTF_8);
            return send(to(path).header("Content-Type", "application/x-www-form-urlencoded")
                    .POST(HttpRequest.BodyPublishers.ofString(form + "&_csrf=" + token)));
        }

        HttpResponse<String> logIn() throws Exception {
            return post("/login", "username=ada&password=secret");
        }

        String cookie() {
            return cookies.getCookieStore().getCookies().stream()
                    .filter(cookie -> cookie.getName().equals("SESSION"))
                    .map(java.net.HttpCookie::getValue)
                    .findFirst()
                    .orElse("");
        }
    }

    @Test
    void aVisitorLogsInAndOut() throws Exception {
        start();
        Browser browser = new Browser();
        assertThat(browser.get("/visits").body()).isEqualTo("1");
        assertThat(browser.get("/visits").body()).isEqualTo("2");
        String before = browser.cookie();
        HttpResponse<String> in = browser.logIn();
        assertThat(in.statusCode()).as(in.body()).isEqualTo(200);
        assertThat(in.body()).isEqualTo("3");
        assertThat(browser.cookie()).isNotEqualTo(before);
        assertThat(browser.post("/form", "a=b").body()).isEqualTo("taken");
        browser.post("/logout", "");
        assertThat(browser.get("/visits").body()).isEqualTo("1");
    }

    @Test
    void theActuatorListsAndEndsSessions() throws Exception {
        start();
        Browser laptop = new Browser();
        Browser admin = new Browser();
        laptop.logIn();
        String list = admin.get("/actuator/sessions?username=ada").body();
        assertThat(list).doesNotContain(laptop.cookie()).contains("SPRING_SECURITY_CONTEXT");
        Matcher id = Pattern.compile("\"id\":\"(handle:[^\"]+)\"").matcher(list);
        assertThat(id.find()).as(list).isTrue();
        assertThat(admin.get("/actuator/sessions/" + id.group(1)).statusCode()).isEqualTo(200);
        assertThat(admin.delete("/actuator/sessions/" + id.group(1)).statusCode())
                .isEqualTo(204);
        assertThat(admin.get("/actuator/sessions/" + id.group(1)).statusCode()).isEqualTo(404);
        assertThat(laptop.get("/visits").body()).isEqualTo("1");
    }

    @Test
    void ofThreeSessionsTheOldestEnds() throws Exception {
        start();
        List<Browser> browsers = List.of(new Browser(), new Browser(), new Browser());
        for (Browser browser : browsers) {
            browser.logIn();
        }
        // Who is logged in and does so again needs no further session.
        assertThat(browsers.get(2).logIn().statusCode()).isEqualTo(200);
        assertThat(browsers.get(0).post("/form", "a=b").body()).isNotEqualTo("taken");
        assertThat(browsers.get(1).post("/form", "a=b").body()).isEqualTo("taken");
        assertThat(browsers.get(2).post("/form", "a=b").body()).isEqualTo("taken");
    }

    @Test
    void aCookieWithAHandleIsNoSession() throws Exception {
        start();
        Browser laptop = new Browser();
        laptop.logIn();
        String handle = application
                .getBean(SessiondIndexedSessionRepository.class)
                .findByPrincipalName("ada")
                .keySet()
                .iterator()
                .next();
        HttpResponse<String> answer = HttpClient.newHttpClient()
                .send(
                        new Browser()
                                .to("/form")
                                .header(
                                        "Cookie",
                                        "SESSION="
                                                + java.util.Base64.getEncoder().encodeToString(handle.getBytes()))
                                .POST(HttpRequest.BodyPublishers.noBody())
                                .build(),
                        HttpResponse.BodyHandlers.ofString());
        assertThat(answer.statusCode()).isIn(302, 403);
        assertThat(laptop.post("/form", "a=b").body()).isEqualTo("taken");
    }

    @Test
    void anOutageIsToldAndEndsByItself() throws Exception {
        start("spring.session.sessiond.call-timeout=2s");
        Browser browser = new Browser();
        browser.logIn();
        assertThat(browser.get("/actuator/health").body()).contains("\"sessiond\":{\"status\":\"UP\"}");
        server.kill();
        long begin = System.nanoTime();
        HttpResponse<String> answer = browser.get("/visits");
        assertThat(answer.statusCode()).isEqualTo(503);
        assertThat(answer.headers().firstValue("Retry-After")).hasValue("1");
        assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(7));
        HttpResponse<String> health = new Browser().get("/actuator/health");
        assertThat(health.statusCode()).isEqualTo(503);
        assertThat(health.body()).contains("\"sessiond\":{\"status\":\"DOWN\"}");
        server.start();
        Awaitility.await().until(() -> browser.get("/visits").statusCode() == 200);
        assertThat(browser.post("/form", "a=b").body()).isEqualTo("taken");
        assertThat(new Browser().get("/actuator/health").statusCode()).isEqualTo(200);
    }

    private static List<String> cookieAttributes(HttpResponse<String> answer) {
        String cookie = answer.headers().firstValue("Set-Cookie").orElseThrow();
        return Arrays.stream(cookie.split("; ")).skip(1).sorted().toList();
    }

    @Test
    void theCookieIsStrictByItselfAndSecureOverHttps() throws Exception {
        start("server.forward-headers-strategy=native");
        assertThat(cookieAttributes(new Browser().get("/visits")))
                .containsExactly("HttpOnly", "Path=/", "SameSite=Lax");
        assertThat(cookieAttributes(new Browser().getOverHttps("/visits")))
                .containsExactly("HttpOnly", "Path=/", "SameSite=Lax", "Secure");
    }

    @Test
    void aProxyIsNotBelievedUnlessTheSettingsSaySo() throws Exception {
        start();
        assertThat(cookieAttributes(new Browser().getOverHttps("/visits"))).doesNotContain("Secure");
    }

    @Test
    void aCookieOfThisHostAloneIsSecureAlways() throws Exception {
        start(
                "server.servlet.session.cookie.name=__Host-SESSION",
                "server.servlet.session.cookie.secure=true",
                "server.servlet.session.cookie.same-site=strict");
        HttpResponse<String> answer = new Browser().get("/visits");
        assertThat(answer.headers().firstValue("Set-Cookie").orElseThrow()).startsWith("__Host-SESSION=");
        assertThat(cookieAttributes(answer)).containsExactly("HttpOnly", "Path=/", "SameSite=Strict", "Secure");
    }

    @Test
    void aSharedCookieCarriesTheIdThatEveryServiceReads() throws Exception {
        start(
                "spring.session.sessiond.shared-cookie=true",
                "server.servlet.session.cookie.name=session",
                "server.servlet.session.cookie.domain=shop.localhost",
                "server.servlet.session.cookie.secure=true");
        String set =
                new Browser().get("/visits").headers().firstValue("Set-Cookie").orElseThrow();
        assertThat(set.split("; ")).contains("Domain=shop.localhost", "Path=/", "Secure", "HttpOnly", "SameSite=Lax");
        String id = set.substring("session=".length(), set.indexOf(';'));
        assertThat(id).matches("[A-Za-z0-9_-]{32}");
        SessiondClient client =
                SessiondClient.builder().address(server.address()).build().withTimeout(Duration.ofSeconds(10));
        assertThat(client.get(id).attribute("visits")).isEqualTo(1L);

        // Another service made this one, and logged somebody in.
        String other = client.create(session -> session.attribute("visits", 41).principal("ada"))
                .id()
                .value();
        HttpRequest.Builder request = new Browser().to("/visits").header("Cookie", "session=" + other);
        HttpClient http = HttpClient.newHttpClient();
        HttpResponse<String> answer = http.send(request.build(), HttpResponse.BodyHandlers.ofString());
        assertThat(answer.body()).isEqualTo("42");
        assertThat(answer.headers().firstValue("Set-Cookie")).isEmpty();
        request = new Browser().to("/label").header("Cookie", "session=" + other);
        assertThat(http.send(request.build(), HttpResponse.BodyHandlers.ofString())
                        .body())
                .isEqualTo("ada");
        assertThat(client.get(other).labels()).containsEntry("site", "spring");
        client.close();
    }

    @Test
    void settingsAreTakenUp() throws Exception {
        start(
                "server.servlet.session.timeout=7m",
                "spring.session.sessiond.namespace=shop",
                "spring.session.sessiond.events.enabled=false");
        var repository = application.getBean(SessiondIndexedSessionRepository.class);
        assertThat(repository.createSession().getMaxInactiveInterval()).isEqualTo(Duration.ofMinutes(7));
        assertThat(application
                        .getBean(dev.sessiond.spring.session.SessionEventPublisher.class)
                        .isRunning())
                .isFalse();
    }
}
