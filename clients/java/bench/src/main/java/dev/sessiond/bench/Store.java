package dev.sessiond.bench;

/** The repositories that are compared. */
enum Store {
    REDIS,
    REDIS_INDEXED,
    SESSIOND;

    String[] properties(Server server) {
        if (this == SESSIOND) {
            return new String[] {
                "spring.session.sessiond.address=127.0.0.1:" + server.port(),
                "spring.session.sessiond.call-timeout=10s",
                "spring.autoconfigure.exclude=org.springframework.boot.session.data.redis.autoconfigure.SessionDataRedisAutoConfiguration"
            };
        }
        return new String[] {
            "spring.data.redis.port=" + server.port(),
            "spring.session.data.redis.repository-type=" + (this == REDIS ? "default" : "indexed"),
            "spring.autoconfigure.exclude=dev.sessiond.spring.session.boot.SessiondSessionAutoConfiguration"
        };
    }
}
