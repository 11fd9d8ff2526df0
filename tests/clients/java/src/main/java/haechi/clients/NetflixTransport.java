package haechi.clients;

import com.netflix.discovery.AbstractDiscoveryClientOptionalArgs;
import com.netflix.discovery.Jersey3DiscoveryClientOptionalArgs;
import com.netflix.discovery.shared.transport.jersey.TransportClientFactories;
import com.netflix.discovery.shared.transport.jersey3.Jersey3TransportClientFactories;
import org.springframework.boot.autoconfigure.condition.ConditionalOnProperty;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;

/** Netflix's own HTTP transport in place of Spring's, as an application declares it that wants it. */
@Configuration
@ConditionalOnProperty("eureka.client.jersey.enabled")
public class NetflixTransport {
  @Bean
  public TransportClientFactories<?> transportClientFactories() {
    return Jersey3TransportClientFactories.getInstance();
  }

  @Bean
  public AbstractDiscoveryClientOptionalArgs<?> discoveryClientOptionalArgs() {
    return new Jersey3DiscoveryClientOptionalArgs();
  }
}
