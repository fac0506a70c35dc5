/** Repositories of Spring Session that keep sessions in sessiond. */
@NullMarked
package io.sessiond.spring.session;

import org.jspecify.annotations.NullMarked;
