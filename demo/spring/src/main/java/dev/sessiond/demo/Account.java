package dev.sessiond.demo;

import dev.sessiond.spring.session.SessiondSession;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpServletResponse;
import jakarta.servlet.http.HttpSession;
import java.util.LinkedHashMap;
import java.util.Map;
import org.springframework.http.HttpHeaders;
import org.springframework.security.authentication.UsernamePasswordAuthenticationToken;
import org.springframework.security.core.Authentication;
import org.springframework.security.core.authority.AuthorityUtils;
import org.springframework.security.core.context.SecurityContext;
import org.springframework.security.core.context.SecurityContextHolder;
import org.springframework.security.web.authentication.session.SessionAuthenticationStrategy;
import org.springframework.stereotype.Controller;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestHeader;
import org.springframework.web.bind.annotation.RequestParam;

/** Logging in. Spring Security itself logs out: it ends the session. */
@Controller
class Account {

    /** Who can log in: the principal, which every site knows a user by, and the name. */
    static final Map<String, String> USERS = new LinkedHashMap<>();

    static {
        USERS.put("ada", "Ada Lovelace");
        USERS.put("grace", "Grace Hopper");
        USERS.put("alan", "Alan Turing");
    }

    private final PrincipalRepository principals;
    private final SessionAuthenticationStrategy strategy;
    private final DemoSettings settings;

    Account(PrincipalRepository principals, SessionAuthenticationStrategy strategy, DemoSettings settings) {
        this.principals = principals;
        this.strategy = strategy;
        this.settings = settings;
    }

    @PostMapping("/log-in")
    String logIn(
            @RequestParam String user,
            @RequestHeader(name = HttpHeaders.USER_AGENT, required = false) String userAgent,
            HttpServletRequest request,
            HttpServletResponse response) {
        if (!USERS.containsKey(user) || principals.containsContext(request)) {
            return "redirect:/";
        }
        HttpSession session = request.getSession();
        Authentication authentication = UsernamePasswordAuthenticationToken.authenticated(
                user, null, AuthorityUtils.createAuthorityList("ROLE_USER"));
        strategy.onAuthentication(authentication, request, response);
        SecurityContext context = SecurityContextHolder.createEmptyContext();
        context.setAuthentication(authentication);
        principals.saveContext(context, request, response);
        session.setAttribute("user", Map.of("name", USERS.get(user)));
        SessiondSession stored = principals.sessionOf(request).orElseThrow();
        stored.setLabel("device", UserAgent.device(userAgent));
        stored.setLabel("site", settings.name());
        return "redirect:/";
    }
}
