package dev.sessiond.example;

import static org.assertj.core.api.Assertions.assertThat;

import java.net.http.HttpResponse;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.springframework.boot.SpringApplication;
import org.springframework.context.ConfigurableApplicationContext;

/** Drives the site over HTTP, with a server of its own. */
class SiteTest {

    private final SessiondServer server = new SessiondServer();
    private ConfigurableApplicationContext application;

    @BeforeEach
    void start() {
        application = SpringApplication.run(
                Site.class,
                "--server.port=0",
                "--spring.session.sessiond.address=" + server.address(),
                "--spring.session.sessiond.call-timeout=2s");
    }

    @AfterEach
    void close() {
        application.close();
        server.close();
    }

    private Browser browser() {
        return new Browser("http://127.0.0.1:" + application.getEnvironment().getProperty("local.server.port"));
    }

    @Test
    void aVisitorHasPreferencesAndMessages() throws Exception {
        Browser visitor = browser();
        assertThat(visitor.get("/").body()).contains("Hello, visitor", "Visits: 1", "data-theme=\"light\"");
        HttpResponse<String> saved = visitor.send("/", "/preferences", Map.of("theme", "dark", "language", "de"));
        assertThat(saved.body()).contains("Saved.", "data-theme=\"dark\"", "lang=\"de\"");
        assertThat(visitor.get("/").body()).doesNotContain("Saved.").contains("data-theme=\"dark\"");
    }

    @Test
    void theCookieIsStrictAndSecureBehindAProxyThatEndsTls() throws Exception {
        assertThat(browser().get("/").headers().firstValue("Set-Cookie").orElseThrow())
                .matches("SESSION=[^;]+; Path=/; HttpOnly; SameSite=Lax");
        assertThat(browser().getOverHttps("/").headers().firstValue("Set-Cookie").orElseThrow())
                .matches("SESSION=[^;]+; Path=/; Secure; HttpOnly; SameSite=Lax");
    }

    @Test
    void aForgedFormIsRefused() throws Exception {
        Browser visitor = browser();
        visitor.get("/");
        assertThat(visitor.post("/preferences", Map.of("theme", "dark", "language", "de"), "forged")
                        .statusCode())
                .isEqualTo(403);
        assertThat(visitor.get("/").body()).contains("data-theme=\"light\"");
    }

    @Test
    void aLogInRenewsTheIdAndKeepsTheData() throws Exception {
        Browser visitor = browser();
        visitor.send("/", "/preferences", Map.of("theme", "dark", "language", "en"));
        String before = visitor.cookie();
        assertThat(visitor.logIn("ada").body()).contains("Hello, ada", "data-theme=\"dark\"");
        assertThat(visitor.cookie()).isNotEqualTo(before);
        visitor.send("/", "/logout", Map.of());
        // Spring Security remembers in the session which page was asked for.
        visitor.get("/devices");
        assertThat(visitor.logIn("ada").body()).contains("Where you are logged in");
        visitor.send("/devices", "/logout", Map.of());
        assertThat(visitor.get("/").body()).contains("Hello, visitor", "Visits: 1");
    }

    @Test
    void devicesAreListedAndEnded() throws Exception {
        Browser laptop = browser();
        Browser phone = browser();
        Browser tablet = browser();
        Browser stranger = browser();
        for (Browser browser : List.of(laptop, phone, tablet)) {
            browser.logIn("ada");
        }
        stranger.logIn("grace");
        String page = laptop.get("/devices").body();
        assertThat(page).containsOnlyOnce("(this one)");
        List<String> others = new ArrayList<>();
        for (Matcher id = Pattern.compile("name=\"id\" value=\"([^\"]+)\"").matcher(page); id.find(); ) {
            others.add(id.group(1));
        }
        assertThat(others).hasSize(2).allSatisfy(id -> assertThat(id).startsWith("handle:"));
        assertThat(stranger.send("/devices", "/devices/end", Map.of("id", others.get(0)))
                        .body())
                .contains("There is no such device.");
        // Newest first: the tablet.
        assertThat(laptop.send("/devices", "/devices/end", Map.of("id", others.get(0)))
                        .body())
                .contains("The device is logged out.");
        assertThat(tablet.get("/").body()).contains("Hello, visitor");
        assertThat(phone.get("/").body()).contains("Hello, ada");
        assertThat(laptop.send("/devices", "/devices/end-others", Map.of()).body())
                .contains("All other devices are logged out.");
        assertThat(phone.get("/").body()).contains("Hello, visitor");
        assertThat(laptop.get("/").body()).contains("Hello, ada");
        assertThat(stranger.get("/").body()).contains("Hello, grace");
    }

    @Test
    void nothingIsLostWhenTheServerIsKilled() throws Exception {
        Browser ada = browser();
        ada.logIn("ada");
        for (int round = 0; round < 3; round++) {
            String theme = round % 2 == 0 ? "dark" : "light";
            assertThat(ada.send("/", "/preferences", Map.of("theme", theme, "language", "en"))
                            .body())
                    .contains("Saved.");
            server.kill();
            long begin = System.nanoTime();
            assertThat(ada.get("/").statusCode()).isEqualTo(503);
            assertThat(Duration.ofNanos(System.nanoTime() - begin)).isLessThan(Duration.ofSeconds(7));
            server.start();
            Awaitility.await().until(() -> ada.get("/").statusCode() == 200);
            assertThat(ada.get("/").body()).contains("Hello, ada", "data-theme=\"" + theme + "\"");
        }
        assertThat(ada.get("/actuator/health").body()).contains("\"status\":\"UP\"");
    }
}
