package dev.sessiond.spring.session;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalStateException;

import dev.sessiond.client.SessiondClient;
import java.time.Duration;
import java.time.Instant;
import java.util.UUID;
import org.awaitility.Awaitility;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;
import org.springframework.session.FlushMode;
import org.springframework.session.SaveMode;

/**
 * What Spring's own repositories do, by the scenarios of their integration tests: RedisSessionRepositoryITests,
 * RedisIndexedSessionRepositoryITests and AbstractJdbcIndexedSessionRepositoryITests. Those on principals stand in IndexTest, those
 * on events in EventsTest. What is other here:
 *
 * <ul>
 *   <li>A last access is counted by the store's clock and never goes back (save_ConcurrentUpdates, cleanupInactiveSessions…).
 *   <li>The save of an ended session is ignored, as the indexed repositories do (save_DeletedSession of the plain one throws).
 *   <li>Listed sessions have IDs made of handles.
 * </ul>
 */
class RepositoryTest {

    private final SessiondClient client = SessiondServer.shared().client();
    private final SessiondIndexedSessionRepository repository = new SessiondIndexedSessionRepository(client);

    @AfterEach
    void close() {
        client.close();
    }

    private SessiondSession saved(String name, Object value) {
        SessiondSession session = repository.createSession();
        session.setAttribute(name, value);
        repository.save(session);
        return repository.findById(session.getId());
    }

    @Test
    void aNewSessionIsSaved() {
        SessiondSession session = saved("attribute1", "value1");
        assertThat(session.getMaxInactiveInterval()).isEqualTo(Duration.ofMinutes(30));
        assertThat(session.getAttributeNames()).containsExactly("attribute1");
        assertThat(session.<String>getAttribute("attribute1")).isEqualTo("value1");
        assertThat(session.isExpired()).isFalse();
    }

    @Test
    void aSessionWithoutAttributesIsFound() {
        SessiondSession session = repository.createSession();
        assertThat(repository.findById(session.getId())).isNull();
        repository.save(session);
        SessiondSession found = repository.findById(session.getId());
        assertThat(found.getAttributeNames()).isEmpty();
        assertThat(found.getCreationTime())
                .isBetween(
                        session.getCreationTime().minusMillis(1),
                        session.getCreationTime().plusMillis(1));
        assertThat(found.getHandle()).isEqualTo(session.getHandle()).isPresent();
    }

    @Test
    void aNewSessionThatHasExpiredIsNotStoredUntilItIsUsed() {
        SessiondSession session = repository.createSession();
        session.setLastAccessedTime(Instant.EPOCH);
        repository.save(session);
        assertThat(repository.findById(session.getId())).isNull();
        session.setLastAccessedTime(Instant.now());
        repository.save(session);
        assertThat(repository.findById(session.getId())).isNotNull();
    }

    @Test
    void aSaveKeepsWhatItDoesNotName() {
        SessiondSession session = saved("a", "b");
        session.setAttribute("1", "2");
        repository.save(session);
        SessiondSession found = repository.findById(session.getId());
        assertThat(found.getAttributeNames()).containsExactlyInAnyOrder("a", "1");
    }

    @Test
    void twoCopiesThatChangeDifferentAttributesBothWin() {
        SessiondSession first = saved("attribute1", "value1");
        SessiondSession second = repository.findById(first.getId());
        first.setAttribute("attribute2", "value2");
        second.setAttribute("attribute3", "value3");
        repository.save(first);
        repository.save(second);
        assertThat(repository.findById(first.getId()).getAttributeNames())
                .containsExactlyInAnyOrder("attribute1", "attribute2", "attribute3");
    }

    @Test
    void attributesAreModifiedAndRemoved() {
        SessiondSession session = saved("name", "value1");
        session.setAttribute("name", "value2");
        session.setAttribute("other", 1L);
        repository.save(session);
        session = repository.findById(session.getId());
        assertThat(session.<String>getAttribute("name")).isEqualTo("value2");
        session.removeAttribute("name");
        session.setAttribute("other", null);
        repository.save(session);
        assertThat(repository.findById(session.getId()).getAttributeNames()).isEmpty();
        session.setAttribute("name", "value3");
        repository.save(session);
        assertThat(repository.findById(session.getId()).<String>getAttribute("name"))
                .isEqualTo("value3");
    }

    @Test
    void aLargeAttributeIsSaved() {
        assertThat(saved("large", new byte[200_000]).<byte[]>getAttribute("large"))
                .hasSize(200_000);
    }

    @Test
    void aDeletedSessionIsGoneAndStaysSo() {
        SessiondSession session = saved("a", "b");
        repository.deleteById(session.getId());
        repository.deleteById(session.getId());
        session.setLastAccessedTime(Instant.now());
        repository.save(session);
        SessiondSession slow = session;
        slow.setAttribute("c", "d");
        repository.save(slow);
        assertThat(repository.findById(session.getId())).isNull();
    }

    @Test
    void aStrangeIdNamesNoSession() {
        repository.deleteById(UUID.randomUUID().toString());
        for (String id : new String[] {"", "1", "handle:", "handle:nobody", "with a space", "\ud800"}) {
            assertThat(repository.findById(id)).as(id).isNull();
            repository.deleteById(id);
        }
    }

    @Test
    void anIntervalOfZeroEndsASession() {
        SessiondSession session = saved("a", "b");
        session.setMaxInactiveInterval(Duration.ZERO);
        repository.save(session);
        assertThat(repository.findById(session.getId())).isNull();
    }

    @Test
    void aSessionEndsAfterItsInterval() {
        SessiondSession session = repository.createSession();
        session.setMaxInactiveInterval(Duration.ofMillis(300));
        repository.save(session);
        Awaitility.await().until(() -> repository.findById(session.getId()) == null);
    }

    @Test
    void aNegativeIntervalIsNever() {
        repository.setDefaultMaxInactiveInterval(Duration.ofSeconds(-1));
        SessiondSession session = saved("a", "b");
        assertThat(session.getMaxInactiveInterval()).isNegative();
        session.setMaxInactiveInterval(Duration.ofMinutes(5));
        repository.save(session);
        assertThat(repository.findById(session.getId()).getMaxInactiveInterval())
                .isEqualTo(Duration.ofMinutes(5));
    }

    @Test
    void anAbsoluteEndOutlivesAChangeOfTheInterval() {
        repository.setAbsoluteTimeout(Duration.ofHours(12));
        SessiondSession session = saved("a", "b");
        session.setMaxInactiveInterval(Duration.ofMinutes(5));
        repository.save(session);
        assertThat(client.get(session.getId()).absoluteExpireTime())
                .hasValueSatisfying(end -> assertThat(end).isAfter(Instant.now().plus(Duration.ofHours(11))));
    }

    @Test
    void anAccessSlidesTheTimeoutAndRewritesNothing() {
        SessiondSession session = saved("a", "b");
        dev.sessiond.client.Session before = client.get(session.getId(), dev.sessiond.client.ReadOptions.PEEK);
        session.setLastAccessedTime(Instant.now());
        repository.save(session);
        dev.sessiond.client.Session after = client.get(session.getId(), dev.sessiond.client.ReadOptions.PEEK);
        assertThat(after.lastAccessTime()).isAfter(before.lastAccessTime());
        assertThat(after.version()).isEqualTo(before.version());
        assertThat(after.updateTime()).isEqualTo(before.updateTime());
    }

    @Test
    void changingTheIdKeepsTheSession() {
        SessiondSession session = saved("a", "value1");
        String old = session.getId();
        session.setAttribute("a", "value2");
        String first = session.changeSessionId();
        String second = session.changeSessionId();
        repository.save(session);
        repository.save(session);
        assertThat(repository.findById(old)).isNull();
        assertThat(repository.findById(first)).isNull();
        SessiondSession found = repository.findById(second);
        assertThat(found.<String>getAttribute("a")).isEqualTo("value2");
        assertThat(found.getHandle()).isEqualTo(session.getHandle());
    }

    @Test
    void theIdOfANewSessionIsChanged() {
        SessiondSession session = repository.createSession();
        String old = session.getId();
        session.changeSessionId();
        repository.save(session);
        assertThat(repository.findById(session.getId())).isNotNull();
        assertThat(repository.findById(old)).isNull();
    }

    @Test
    void changingTheIdOfAnEndedSessionIsIgnored() {
        SessiondSession session = saved("a", "b");
        String old = session.getId();
        repository.deleteById(old);
        String changed = session.changeSessionId();
        repository.save(session);
        assertThat(repository.findById(old)).isNull();
        assertThat(repository.findById(changed)).isNull();
        // No visitor gets the cookie of a session that is not there.
        assertThat(session.getId()).isEqualTo(old);
    }

    @ParameterizedTest
    @EnumSource(SaveMode.class)
    void whatIsSavedDependsOnTheMode(SaveMode mode) {
        repository.setSaveMode(mode);
        SessiondSession session = saved("untouched", "old");
        session.setAttribute("read", "old");
        repository.save(session);
        SessiondSession copy = repository.findById(session.getId());
        copy.getAttribute("read");
        copy.setAttribute("set", "new");

        repository.setSaveMode(SaveMode.ON_SET_ATTRIBUTE);
        SessiondSession other = repository.findById(session.getId());
        other.setAttribute("untouched", "other");
        other.setAttribute("read", "other");
        repository.save(other);

        repository.setSaveMode(mode);
        repository.save(copy);
        SessiondSession found = repository.findById(session.getId());
        assertThat(found.<String>getAttribute("set")).isEqualTo("new");
        assertThat(found.<String>getAttribute("read")).isEqualTo(mode == SaveMode.ON_SET_ATTRIBUTE ? "other" : "old");
        assertThat(found.<String>getAttribute("untouched")).isEqualTo(mode == SaveMode.ALWAYS ? "old" : "other");
    }

    @Test
    void immediateFlushSendsEachChange() {
        repository.setFlushMode(FlushMode.IMMEDIATE);
        SessiondSession session = repository.createSession();
        session.setAttribute("a", "b");
        assertThat(repository.findById(session.getId()).<String>getAttribute("a"))
                .isEqualTo("b");
        session.removeAttribute("a");
        session.setMaxInactiveInterval(Duration.ofMinutes(5));
        String old = session.getId();
        session.changeSessionId();
        assertThat(repository.findById(old)).isNull();
        assertThat(repository.findById(session.getId()).getAttributeNames()).isEmpty();
    }

    @Test
    void noIdIsPrinted() {
        SessiondSession session = saved("a", "b");
        assertThat(session.toString())
                .doesNotContain(session.getId())
                .contains(session.getHandle().orElseThrow());
    }

    @Test
    void aHandleLetsNobodyIn() {
        SessiondSession session = saved("a", "secret");
        String byHandle = Handles.toId(session.getHandle().orElseThrow());
        assertThat(repository.requestSessions().findById(byHandle)).isNull();
        SessiondSession listed = repository.findById(byHandle);
        assertThat(listed.<String>getAttribute("a")).isEqualTo("secret");
        assertThatIllegalStateException().isThrownBy(() -> listed.setLastAccessedTime(Instant.now()));
        listed.setAttribute("a", "changed");
        assertThatIllegalStateException().isThrownBy(() -> repository.save(listed));
        repository.deleteById(byHandle);
        assertThat(repository.findById(session.getId())).isNull();
    }

    @Test
    void aGraceLetsTheOldIdRead() {
        repository.setRotationGrace(Duration.ofSeconds(30));
        SessiondSession session = saved("a", "b");
        SessiondSession parallel = repository.findById(session.getId());
        String old = session.getId();
        session.changeSessionId();
        repository.save(session);
        assertThat(repository.findById(old)).isNotNull();
        parallel.setAttribute("a", "late");
        repository.save(parallel);
        assertThat(repository.findById(session.getId()).<String>getAttribute("a"))
                .isEqualTo("b");
    }

    @Test
    void labelsAreSavedWithTheSession() {
        SessiondSession session = repository.createSession();
        session.setLabel("device", "Firefox on Linux");
        assertThat(session.getLabels()).containsEntry("device", "Firefox on Linux");
        repository.save(session);
        SessiondSession found = repository.findById(session.getId());
        assertThat(found.getLabels()).isEqualTo(java.util.Map.of("device", "Firefox on Linux"));

        found.setLabel("device", "Safari on iPhone");
        found.setLabel("site", "shop");
        found.changeSessionId();
        repository.save(found);
        assertThat(repository.findById(found.getId()).getLabels())
                .isEqualTo(java.util.Map.of("device", "Safari on iPhone", "site", "shop"));
    }

    @Test
    void labelsThatCouldNotBeSavedAreSavedLater() {
        SessiondSession session = saved("a", "b");
        session.setLabel("", "a label without a name is refused");
        org.assertj.core.api.Assertions.assertThatThrownBy(() -> repository.save(session))
                .isInstanceOf(dev.sessiond.client.SessiondException.class);
        assertThat(session.getLabels()).containsKey("");
    }

    @Test
    void thePrincipalIsThatOfTheStoreWhoeverHasSetIt() {
        SessiondSession session = saved("a", "b");
        assertThat(session.getPrincipal()).isEmpty();
        client.update(session.getId(), change -> change.setPrincipal("ada"));
        SessiondSession found = repository.findById(session.getId());
        assertThat(found.getPrincipal()).hasValue("ada");
        // A save that names nobody leaves it alone.
        found.setAttribute("a", "c");
        repository.save(found);
        assertThat(repository.findById(session.getId()).getPrincipal()).hasValue("ada");
    }

    @Test
    void outsideOfARequestThereIsNoCurrentSession() {
        saved("a", "b");
        assertThat(repository.findCurrent()).isEmpty();
    }

    @Test
    void randomIdsHave192BitsThatCookiesCanHold() {
        var generator = new RandomSessionIdGenerator();
        assertThat(generator.generate()).matches("[A-Za-z0-9_-]{32}").isNotEqualTo(generator.generate());
    }
}
