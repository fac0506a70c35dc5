package dev.sessiond.demo;

import dev.sessiond.client.SessiondClient;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpSession;
import java.time.Duration;
import org.springframework.stereotype.Controller;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.util.UriComponentsBuilder;

/** Hands the session to the forum, which is on another domain: a ticket for it alone, good once and for 30 s. */
@Controller
class Handoff {

    private static final Duration LIFETIME = Duration.ofSeconds(30);

    private final SessiondClient client;
    private final DemoSettings settings;

    Handoff(SessiondClient client, DemoSettings settings) {
        this.client = client;
        this.settings = settings;
    }

    @GetMapping("/handoff")
    String handOff(@RequestParam(defaultValue = "") String state, HttpSession session, HttpServletResponse response) {
        if (settings.forum().isEmpty()) {
            return "redirect:/";
        }
        String ticket = client.issueHandoff(session.getId(), settings.forum(), LIFETIME).ticket().value();
        response.setHeader("Referrer-Policy", "no-referrer");
        return "redirect:"
                + UriComponentsBuilder.fromUriString(settings.forum() + "/return")
                        .queryParam("ticket", "{ticket}")
                        .queryParam("state", "{state}")
                        .encode()
                        .buildAndExpand(ticket, state)
                        .toUriString();
    }
}
