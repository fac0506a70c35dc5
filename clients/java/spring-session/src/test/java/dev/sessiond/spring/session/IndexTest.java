package dev.sessiond.spring.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.springframework.session.FindByIndexNameSessionRepository.PRINCIPAL_NAME_INDEX_NAME;

import dev.sessiond.client.SessiondClient;
import java.util.List;
import java.util.UUID;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.springframework.security.authentication.UsernamePasswordAuthenticationToken;
import org.springframework.security.core.authority.AuthorityUtils;
import org.springframework.security.core.context.SecurityContextImpl;
import org.springframework.security.core.session.SessionInformation;
import org.springframework.session.security.SpringSessionBackedSessionRegistry;

/** The findBy… scenarios of RedisIndexedSessionRepositoryITests and AbstractJdbcIndexedSessionRepositoryITests. */
class IndexTest {

    private static final String CONTEXT = "SPRING_SECURITY_CONTEXT";

    private final SessiondClient client = SessiondServer.shared().client();
    private final SessiondIndexedSessionRepository repository = new SessiondIndexedSessionRepository(client);

    @AfterEach
    void close() {
        client.close();
    }

    private static Object value(String attribute, String user) {
        return attribute.equals(CONTEXT)
                ? new SecurityContextImpl(UsernamePasswordAuthenticationToken.authenticated(
                        user, "na", AuthorityUtils.createAuthorityList("ROLE_USER")))
                : user;
    }

    private SessiondSession saved(String attribute, String user) {
        SessiondSession session = repository.createSession();
        session.setAttribute(attribute, value(attribute, user));
        repository.save(session);
        return session;
    }

    private List<String> handlesOf(String user) {
        return repository.findByPrincipalName(user).values().stream()
                .map(session -> session.getHandle().orElseThrow())
                .toList();
    }

    @ParameterizedTest
    @CsvSource({"false, false", "false, true", "true, false", "true, true"})
    void aPrincipalIsFoundChangedAndRemoved(boolean bySecurityContext, boolean reload) {
        String attribute = bySecurityContext ? CONTEXT : PRINCIPAL_NAME_INDEX_NAME;
        String user = "user-" + UUID.randomUUID();
        String other = "other-" + UUID.randomUUID();
        SessiondSession session = saved(attribute, user);
        String handle = session.getHandle().orElseThrow();
        assertThat(handlesOf(user)).containsExactly(handle);

        session = reload ? repository.findById(session.getId()) : session;
        session.setAttribute("other", "value");
        repository.save(session);
        assertThat(handlesOf(user)).containsExactly(handle);

        session = reload ? repository.findById(session.getId()) : session;
        session.setAttribute(attribute, value(attribute, other));
        session.changeSessionId();
        repository.save(session);
        assertThat(handlesOf(user)).isEmpty();
        assertThat(handlesOf(other)).containsExactly(handle);

        session = reload ? repository.findById(session.getId()) : session;
        session.setAttribute(attribute, null);
        repository.save(session);
        assertThat(handlesOf(other)).isEmpty();

        session.setAttribute(attribute, value(attribute, user));
        repository.save(session);
        assertThat(handlesOf(user)).containsExactly(handle);
        repository.deleteById(session.getId());
        assertThat(handlesOf(user)).isEmpty();
    }

    @Test
    void listedSessionsShowAttributesAndNoIds() {
        SessiondSession session = saved(PRINCIPAL_NAME_INDEX_NAME, "ada");
        var found = repository.findByPrincipalName("ada");
        assertThat(found).hasSize(1);
        String id = found.keySet().iterator().next();
        assertThat(id).startsWith("handle:").doesNotContain(session.getId());
        assertThat(found.get(id).getId()).isEqualTo(id);
        assertThat(found.get(id).<String>getAttribute(PRINCIPAL_NAME_INDEX_NAME))
                .isEqualTo("ada");
        repository.deleteById(id);
        assertThat(repository.findById(session.getId())).isNull();
        assertThat(repository.findById(id)).isNull();
    }

    @Test
    void theRequestsOwnSessionHasItsId() {
        SessiondSession own = saved(PRINCIPAL_NAME_INDEX_NAME, "ada");
        saved(PRINCIPAL_NAME_INDEX_NAME, "ada");
        try (RequestSessions.CurrentRequest request =
                repository.requestSessions().begin()) {
            repository.requestSessions().findById(own.getId());
            assertThat(repository.findByPrincipalName("ada")).hasSize(2).containsKey(own.getId());
        }
        assertThat(repository.findByPrincipalName("ada")).hasSize(2).doesNotContainKey(own.getId());
    }

    @Test
    void longNamesAreFoundAndOtherIndexesAreEmpty() {
        String user = "ü".repeat(300);
        SessiondSession session = saved(PRINCIPAL_NAME_INDEX_NAME, user);
        assertThat(handlesOf(user)).containsExactly(session.getHandle().orElseThrow());
        assertThat(repository.findByIndexNameAndIndexValue("other", user)).isEmpty();
        assertThat(repository.findByPrincipalName("")).isEmpty();
    }

    @Test
    void theRegistryOfSpringSecurityEndsASession() {
        SessiondSession session = saved(CONTEXT, "ada");
        var registry = new SpringSessionBackedSessionRegistry<>(repository);
        List<SessionInformation> sessions = registry.getAllSessions("ada", false);
        assertThat(sessions).hasSize(1);
        assertThat(sessions.get(0).getPrincipal()).isEqualTo("ada");
        sessions.get(0).expireNow();
        assertThat(repository.findById(session.getId())).isNull();
        assertThat(registry.getAllSessions("ada", true)).isEmpty();
    }
}
