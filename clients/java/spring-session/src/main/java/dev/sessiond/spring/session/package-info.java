/** Repositories of Spring Session that keep sessions in sessiond. */
@NullMarked
package dev.sessiond.spring.session;

import org.jspecify.annotations.NullMarked;
