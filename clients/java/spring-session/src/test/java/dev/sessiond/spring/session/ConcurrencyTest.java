package dev.sessiond.spring.session;

import static org.assertj.core.api.Assertions.assertThat;

import dev.sessiond.client.SessiondClient;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CyclicBarrier;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.RepeatedTest;
import org.junit.jupiter.api.Test;

class ConcurrencyTest {

    private final SessiondClient client = SessiondServer.shared().client();
    private final SessiondIndexedSessionRepository repository = new SessiondIndexedSessionRepository(client);
    private final ExecutorService threads = Executors.newCachedThreadPool();

    @AfterEach
    void close() {
        threads.shutdownNow();
        client.close();
    }

    private SessiondSession saved() {
        SessiondSession session = repository.createSession();
        repository.save(session);
        return session;
    }

    private <T> List<T> atOnce(List<Callable<T>> steps) throws Exception {
        CyclicBarrier start = new CyclicBarrier(steps.size());
        List<Future<T>> futures = new ArrayList<>();
        for (Callable<T> step : steps) {
            futures.add(threads.submit(() -> {
                start.await();
                return step.call();
            }));
        }
        List<T> results = new ArrayList<>();
        for (Future<T> future : futures) {
            results.add(future.get());
        }
        return results;
    }

    @RepeatedTest(20)
    void ofTwoChangesOfTheIdOneWins() throws Exception {
        String old = saved().getId();
        List<Callable<String>> steps = new ArrayList<>();
        for (int i = 0; i < 2; i++) {
            SessiondSession copy = repository.findById(old);
            steps.add(() -> {
                copy.changeSessionId();
                repository.save(copy);
                return copy.getId();
            });
        }
        List<String> ids = atOnce(steps);
        assertThat(repository.findById(old)).isNull();
        // The other has its old ID again, so its visitor is sent no cookie that would replace the winner's.
        assertThat(ids).containsOnlyOnce(old);
        assertThat(ids.stream().filter(id -> repository.findById(id) != null)).hasSize(1);
    }

    @Test
    void sixtyFourRequestsThatSetOtherAttributesAllWin() throws Exception {
        String id = saved().getId();
        List<Callable<Void>> steps = new ArrayList<>();
        for (int i = 0; i < 64; i++) {
            String name = "attribute" + i;
            steps.add(() -> {
                SessiondSession copy = repository.findById(id);
                copy.setAttribute(name, name);
                repository.save(copy);
                return null;
            });
        }
        atOnce(steps);
        assertThat(repository.findById(id).getAttributeNames()).hasSize(64);
    }

    @RepeatedTest(20)
    void aLogOutIsFinalBesideASlowRequest() throws Exception {
        String id = saved().getId();
        SessiondSession slow = repository.findById(id);
        slow.setAttribute("cart", "full");
        List<Callable<Void>> steps = new ArrayList<>();
        steps.add(() -> {
            repository.deleteById(id);
            return null;
        });
        steps.add(() -> {
            repository.save(slow);
            return null;
        });
        atOnce(steps);
        assertThat(repository.findById(id)).isNull();
    }
}
