package dev.sessiond.demo;

import dev.sessiond.spring.session.SessiondIndexedSessionRepository;
import dev.sessiond.spring.session.SessiondSession;
import jakarta.servlet.http.HttpSession;
import java.security.Principal;
import java.util.List;
import java.util.Map;
import org.springframework.stereotype.Controller;
import org.springframework.ui.Model;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestMapping;
import org.springframework.web.bind.annotation.RequestParam;

/** Where a user is logged in, and the end of it. */
@Controller
@RequestMapping("/devices")
class Devices {

    private final SessiondIndexedSessionRepository sessions;

    Devices(SessiondIndexedSessionRepository sessions) {
        this.sessions = sessions;
    }

    record Device(String id, Map<String, String> labels, String lastActive, boolean isCurrent) {}

    @GetMapping
    String list(Principal user, HttpSession current, Model model) {
        List<Device> devices = sessions.findByPrincipalName(user.getName()).values().stream()
                .map(session -> toDevice(session, session.getId().equals(current.getId())))
                .toList();
        model.addAttribute("devices", devices);
        return "devices";
    }

    private static Device toDevice(SessiondSession session, boolean isCurrent) {
        // The present session's ID is a secret, and is not needed on the page.
        String id = isCurrent ? "" : session.getId();
        return new Device(id, session.getLabels(), Pages.moment(session.getLastAccessedTime()), isCurrent);
    }

    @PostMapping("/end")
    String end(@RequestParam String handle, Principal user) {
        // The ID, which is made of the handle, came from a form: only the user's own sessions may be ended.
        if (sessions.findByPrincipalName(user.getName()).containsKey(handle)) {
            sessions.deleteById(handle);
        }
        return "redirect:/devices";
    }

    @PostMapping("/end-others")
    String endOthers(Principal user, HttpSession current) {
        sessions.findByPrincipalName(user.getName()).keySet().stream()
                .filter(id -> !id.equals(current.getId()))
                .forEach(sessions::deleteById);
        return "redirect:/devices";
    }

    @PostMapping("/end-all")
    String endAll(Principal user, HttpSession current) {
        endOthers(user, current);
        current.invalidate();
        return "redirect:/";
    }
}
