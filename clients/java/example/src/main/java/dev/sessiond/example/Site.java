package dev.sessiond.example;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

/** A site whose sessions are in sessiond. Nothing in it names the store but its settings, and the list of devices. */
@SpringBootApplication
public class Site {

    public static void main(String[] arguments) {
        SpringApplication.run(Site.class, arguments);
    }
}
