/** Spring Boot's auto-configuration, with settings under {@code spring.session.sessiond}, and health. */
@NullMarked
package dev.sessiond.spring.session.boot;

import org.jspecify.annotations.NullMarked;
