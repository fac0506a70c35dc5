package dev.sessiond.client;

import io.grpc.Attributes;
import io.grpc.EquivalentAddressGroup;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.Status;
import io.grpc.StatusOr;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.SocketAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Executor;

/** Looks up the hosts of a list of addresses, in their order, whenever the channel asks. */
final class AddressResolver extends NameResolver {
    static final String TARGET = "sessiond:///store";

    /** The addresses, in their normal form. */
    static final NameResolver.Args.Key<List<String>> ADDRESSES =
            NameResolver.Args.Key.create("dev.sessiond.client.addresses");

    /** The name that the certificates of all addresses must have; left out, each has that of its own host. */
    static final NameResolver.Args.Key<String> SERVER_NAME =
            NameResolver.Args.Key.create("dev.sessiond.client.server-name");

    private final List<String> addresses;
    private final String serverName;
    private final Executor offload;
    private Listener2 listener;

    private AddressResolver(List<String> addresses, Args args) {
        this.addresses = addresses;
        serverName = args.getArg(SERVER_NAME);
        offload = args.getOffloadExecutor();
    }

    @Override
    public String getServiceAuthority() {
        return "localhost";
    }

    @Override
    public void start(Listener2 told) {
        listener = told;
        refresh();
    }

    @Override
    public void refresh() {
        offload.execute(this::lookUp);
    }

    private void lookUp() {
        List<EquivalentAddressGroup> found = new ArrayList<>();
        UnknownHostException unknown = null;
        for (String address : addresses) {
            try {
                for (SocketAddress socketAddress : lookUp(address)) {
                    found.add(new EquivalentAddressGroup(socketAddress, attributes(address)));
                }
            } catch (UnknownHostException e) {
                unknown = e;
            }
        }
        if (found.isEmpty()) {
            listener.onError(Status.UNAVAILABLE.withDescription("unknown host").withCause(unknown));
        } else {
            listener.onResult(ResolutionResult.newBuilder()
                    .setAddressesOrError(StatusOr.fromValue(found))
                    .build());
        }
    }

    private static List<SocketAddress> lookUp(String address) throws UnknownHostException {
        if (address.startsWith(Addresses.UNIX)) {
            return List.of(IoThread.unixAddress(address.substring(Addresses.UNIX.length())));
        }
        List<SocketAddress> out = new ArrayList<>();
        for (InetAddress host : InetAddress.getAllByName(Addresses.host(address))) {
            out.add(new InetSocketAddress(host, Addresses.port(address)));
        }
        return out;
    }

    private Attributes attributes(String address) {
        if (!Addresses.isSecure(address)) {
            return Attributes.EMPTY;
        }
        String name = serverName == null ? Addresses.host(address) : serverName;
        if (name.endsWith(".")) {
            // The dot that ends a name of DNS stands in no certificate.
            name = name.substring(0, name.length() - 1);
        }
        return Attributes.newBuilder()
                .set(EquivalentAddressGroup.ATTR_AUTHORITY_OVERRIDE, name)
                .build();
    }

    @Override
    public void shutdown() {
        // A look-up that is under way ends by itself.
    }

    /** Finds the resolver by the scheme of {@link #TARGET}. */
    static final class Provider extends NameResolverProvider {
        private static final String SCHEME = "sessiond";

        @Override
        public NameResolver newNameResolver(URI target, NameResolver.Args args) {
            List<String> addresses = args.getArg(ADDRESSES);
            return SCHEME.equals(target.getScheme()) && addresses != null ? new AddressResolver(addresses, args) : null;
        }

        @Override
        public String getDefaultScheme() {
            return SCHEME;
        }

        @Override
        protected boolean isAvailable() {
            return true;
        }

        /** Below that of DNS, whose scheme stays the default of other channels. */
        @Override
        protected int priority() {
            return 1;
        }
    }
}
