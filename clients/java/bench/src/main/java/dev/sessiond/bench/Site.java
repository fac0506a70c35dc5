package dev.sessiond.bench;

import jakarta.servlet.http.HttpSession;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.builder.SpringApplicationBuilder;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** The site that is measured: one page makes a session of about a kilobyte, one reads it, one changes it. */
@SpringBootApplication
@RestController
public class Site {

    static ConfigurableApplicationContext start(Store store, Server server) {
        return new SpringApplicationBuilder(Site.class)
                .logStartupInfo(false)
                .properties(
                        "server.port=0",
                        "server.address=127.0.0.1",
                        "server.tomcat.max-keep-alive-requests=-1",
                        "logging.level.root=warn",
                        "spring.main.banner-mode=off")
                .properties(store.properties(server))
                .run();
    }

    @GetMapping("/new")
    String make(HttpSession session) {
        for (int i = 0; i < 8; i++) {
            session.setAttribute("key" + i, Character.toString('a' + i).repeat(110));
        }
        return "made";
    }

    @GetMapping("/read")
    String read(HttpSession session) {
        return (String) session.getAttribute("key1");
    }

    @GetMapping("/write")
    String write(HttpSession session) {
        Integer visits = (Integer) session.getAttribute("visits");
        session.setAttribute("visits", visits == null ? 1 : visits + 1);
        return "written";
    }
}
