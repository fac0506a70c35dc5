package dev.sessiond.example;

import jakarta.servlet.http.HttpSession;
import java.security.Principal;
import java.util.LinkedHashMap;
import java.util.Map;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.ModelAttribute;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.SessionAttribute;
import org.springframework.web.servlet.mvc.support.RedirectAttributes;

/** The pages for everybody. */
@Controller
class Pages {

    /** The look that a visitor has chosen; every language's part of a site can read it. */
    @ModelAttribute("preferences")
    Map<String, Object> preferences(
            @SessionAttribute(name = "preferences", required = false) Map<String, Object> chosen) {
        return chosen == null ? Map.of("theme", "light", "language", "en") : chosen;
    }

    @GetMapping("/")
    String home(HttpSession session, Principal user, Model model) {
        model.addAttribute("user", user == null ? "visitor" : user.getName());
        Integer visits = (Integer) session.getAttribute("visits");
        session.setAttribute("visits", visits == null ? 1 : visits + 1);
        model.addAttribute("visits", session.getAttribute("visits"));
        return "home";
    }

    /** The message is kept in the session until the next page has shown it. */
    @PostMapping("/preferences")
    String choose(
            @RequestParam String theme,
            @RequestParam String language,
            HttpSession session,
            RedirectAttributes redirect) {
        Map<String, Object> chosen = new LinkedHashMap<>();
        chosen.put("theme", theme);
        chosen.put("language", language);
        session.setAttribute("preferences", chosen);
        redirect.addFlashAttribute("message", "Saved.");
        return "redirect:/";
    }
}
