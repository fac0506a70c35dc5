package dev.sessiond.demo;

import dev.sessiond.spring.session.SessiondSession;
import jakarta.servlet.http.HttpServletRequest;
import jakarta.servlet.http.HttpSession;
import java.security.Principal;
import java.time.Instant;
import java.time.ZoneOffset;
import java.time.format.DateTimeFormatter;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringBootVersion;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.ControllerAdvice;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.ModelAttribute;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.SessionAttribute;

/** The page with the cart. */
@Controller
class Pages {

    private static final List<String> PRODUCTS = List.of("Teapot", "Cup", "Green tea");
    private static final DateTimeFormatter TO_THE_SECOND =
            DateTimeFormatter.ofPattern("yyyy-MM-dd HH:mm:ss 'UTC'").withZone(ZoneOffset.UTC);

    private final PrincipalRepository principals;
    private final DemoSettings settings;

    Pages(PrincipalRepository principals, DemoSettings settings) {
        this.principals = principals;
        this.settings = settings;
    }

    /** What every template shows. */
    @ControllerAdvice
    static class Common {
        private final DemoSettings settings;

        Common(DemoSettings settings) {
            this.settings = settings;
        }

        @ModelAttribute
        void add(Model model) {
            model.addAttribute("site", settings.name());
            model.addAttribute("sites", settings.links());
            model.addAttribute("portal", settings.portal());
            model.addAttribute("forum", settings.forum());
            model.addAttribute("framework", "Spring Boot " + SpringBootVersion.getVersion());
        }
    }

    /** A moment as all sites show it, to the second. */
    static String moment(Instant time) {
        return TO_THE_SECOND.format(time);
    }

    @GetMapping("/")
    String home(
            @SessionAttribute(name = "user", required = false) Map<String, String> user,
            @SessionAttribute(name = "cart", required = false) List<Map<String, String>> cart,
            Principal principal,
            HttpServletRequest request,
            Model model) {
        String name = principal == null ? null : principal.getName();
        model.addAttribute("principal", name);
        model.addAttribute("name", user == null ? name : user.get("name"));
        model.addAttribute("cart", cart == null ? List.of() : cart);
        model.addAttribute("users", Account.USERS);
        model.addAttribute("products", PRODUCTS);
        principals.sessionOf(request).ifPresent(session -> describe(session, model));
        return "home";
    }

    private static void describe(SessiondSession session, Model model) {
        model.addAttribute("handle", session.getHandle().orElse(null));
        model.addAttribute("labels", session.getLabels());
        model.addAttribute("since", moment(session.getCreationTime()));
    }

    @PostMapping("/cart")
    String addToCart(
            @RequestParam String product,
            @SessionAttribute(name = "cart", required = false) List<Map<String, String>> cart,
            HttpSession session) {
        if (PRODUCTS.contains(product)) {
            List<Map<String, String>> lines = new ArrayList<>(cart == null ? List.of() : cart);
            lines.add(Map.of("product", product, "site", settings.name()));
            session.setAttribute("cart", lines);
        }
        return "redirect:/";
    }
}
