/** Spring's configuration: an annotation for servlet applications, and one for reactive applications. */
@NullMarked
package dev.sessiond.spring.session.config;

import org.jspecify.annotations.NullMarked;
