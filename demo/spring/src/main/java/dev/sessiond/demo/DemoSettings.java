package dev.sessiond.demo;

import java.util.List;
import java.util.stream.Stream;
import org.springframework.boot.context.properties.ConfigurationProperties;

/**
 * What all sites of the demo have in common.
 *
 * @param name the name of this site
 * @param portal where the control page and the stylesheet are
 * @param forum where the forum is; empty if there is none
 * @param sites all sites, each NAME=URL, with spaces between them
 */
@ConfigurationProperties("demo")
record DemoSettings(String name, String portal, String forum, String sites) {

    record Link(String name, String url) {}

    List<Link> links() {
        return Stream.of(sites.split(" "))
                .map(pair -> pair.split("=", 2))
                .map(pair -> new Link(pair[0], pair[1]))
                .toList();
    }
}
