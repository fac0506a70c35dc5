package dev.sessiond.example;

import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.SessiondSession;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.http.HttpHeaders;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.userdetails.User;
import org.springframework.security.core.userdetails.UserDetailsService;
import org.springframework.security.crypto.factory.PasswordEncoderFactories;
import org.springframework.security.crypto.password.PasswordEncoder;
import org.springframework.security.provisioning.InMemoryUserDetailsManager;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.security.web.authentication.SavedRequestAwareAuthenticationSuccessHandler;
import org.springframework.security.web.csrf.HttpSessionCsrfTokenRepository;
import org.springframework.session.security.SpringSessionBackedSessionRegistry;

/** Who may do what: a log-in gives the session a new ID, every form has a token, and a user has five sessions at most. */
@Configuration(proxyBeanMethods = false)
class Security {

    /** The attribute of a session that says which browser it is for. */
    static final String DEVICE = "device";

    @Bean
    PasswordEncoder passwordEncoder() {
        return PasswordEncoderFactories.createDelegatingPasswordEncoder();
    }

    /** The example's users; a real site has a database. */
    @Bean
    UserDetailsService users(PasswordEncoder encoder) {
        InMemoryUserDetailsManager users = new InMemoryUserDetailsManager();
        for (String name : new String[] {"ada", "grace"}) {
            users.createUser(User.withUsername(name)
                    .password(encoder.encode("correct horse"))
                    .roles("USER")
                    .build());
        }
        return users;
    }

    @Bean
    SpringSessionBackedSessionRegistry<SessiondSession> sessionRegistry(SessiondIndexedSessionRepository sessions) {
        return new SpringSessionBackedSessionRegistry<>(sessions);
    }

    @Bean
    SecurityFilterChain filters(HttpSecurity http, SpringSessionBackedSessionRegistry<SessiondSession> registry)
            throws Exception {
        var toHome = new SavedRequestAwareAuthenticationSuccessHandler();
        return http.authorizeHttpRequests(requests -> requests.requestMatchers("/devices/**")
                        .authenticated()
                        .anyRequest()
                        .permitAll())
                .csrf(csrf -> csrf.csrfTokenRepository(new HttpSessionCsrfTokenRepository()))
                .formLogin(form -> form.successHandler((request, response, user) -> {
                    request.getSession().setAttribute(DEVICE, request.getHeader(HttpHeaders.USER_AGENT));
                    toHome.onAuthenticationSuccess(request, response, user);
                }))
                .logout(Customizer.withDefaults())
                .sessionManagement(sessions -> sessions.maximumSessions(5).sessionRegistry(registry))
                .build();
    }
}
