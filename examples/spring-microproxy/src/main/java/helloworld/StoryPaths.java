package helloworld;

import java.util.List;
import org.springframework.boot.actuate.health.HealthComponent;
import org.springframework.boot.actuate.health.HealthEndpoint;
import org.springframework.cloud.context.refresh.ContextRefresher;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RestController;

/**
 * The paths that the story's Spring Boot 1 application had without {@code /actuator}. Both lead to the very beans
 * behind {@code /actuator/health} and {@code /actuator/refresh}.
 */
@RestController
public class StoryPaths {
  /**
   * The config client's own bookkeeping. Since Spring Cloud Config 1.1 it keeps the commit it read as a property, and
   * so names {@code config.client.version} after every commit; the story's client did not. {@code /actuator/refresh}
   * still tells.
   */
  private static final String BOOKKEEPING = "config.client.";

  private final ContextRefresher refresher;
  private final HealthEndpoint health;

  public StoryPaths(ContextRefresher refresher, HealthEndpoint health) {
    this.refresher = refresher;
    this.health = health;
  }

  @GetMapping("/health")
  public HealthComponent health() {
    return health.health();
  }

  /** Reads the configuration anew and answers the names of the properties that changed. */
  @PostMapping("/refresh")
  public List<String> refresh() {
    return refresher.refresh().stream().filter(key -> !key.startsWith(BOOKKEEPING)).sorted().toList();
  }
}
