package dev.sessiond.demo;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.context.properties.ConfigurationPropertiesScan;

/** The Spring Boot site of the demo. What all sites have in common comes as environment variables: see demo/README.md. */
@SpringBootApplication
@ConfigurationPropertiesScan
public class Demo {

    public static void main(String[] arguments) {
        SpringApplication.run(Demo.class, arguments);
    }
}
