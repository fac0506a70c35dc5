package dev.sessiond.example;

import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.SessiondSession;
import jakarta.servlet.http.HttpSession;
import java.security.Principal;
import java.time.Instant;
import java.util.List;
import java.util.Set;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.servlet.mvc.support.RedirectAttributes;

/** Where a user is logged in, and the end of it. */
@Controller
@RequestMapping("/devices")
class Devices {

    private final SessiondIndexedSessionRepository sessions;

    Devices(SessiondIndexedSessionRepository sessions) {
        this.sessions = sessions;
    }

    record Device(String id, String name, Instant lastAccess, boolean present) {}

    @GetMapping
    String list(Principal user, HttpSession present, Model model) {
        List<Device> devices = sessions.findByPrincipalName(user.getName()).values().stream()
                .map(session -> toDevice(session, present))
                .toList();
        model.addAttribute("devices", devices);
        return "devices";
    }

    private static Device toDevice(SessiondSession session, HttpSession present) {
        boolean isPresent = session.getId().equals(present.getId());
        String name = session.getAttribute(Security.DEVICE);
        // The present session's ID is a secret, and is not needed on the page.
        return new Device(isPresent ? "" : session.getId(), name, session.getLastAccessedTime(), isPresent);
    }

    @PostMapping("/end")
    String end(@RequestParam String id, Principal user, RedirectAttributes redirect) {
        // The ID came from a form: only the user's own sessions may be ended.
        boolean own = sessions.findByPrincipalName(user.getName()).containsKey(id);
        if (own) {
            sessions.deleteById(id);
        }
        redirect.addFlashAttribute("message", own ? "The device is logged out." : "There is no such device.");
        return "redirect:/devices";
    }

    @PostMapping("/end-others")
    String endOthers(Principal user, HttpSession present, RedirectAttributes redirect) {
        Set<String> ids = sessions.findByPrincipalName(user.getName()).keySet();
        ids.stream().filter(id -> !id.equals(present.getId())).forEach(sessions::deleteById);
        redirect.addFlashAttribute("message", "All other devices are logged out.");
        return "redirect:/devices";
    }
}
