package helloworld;

import org.springframework.beans.factory.annotation.Value;
import org.springframework.cloud.context.config.annotation.RefreshScope;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

/** What the service is for. {@code message} comes from the config server and changes on refresh. */
@RestController
@RefreshScope
public class HelloController {
  private final String message;
  private final String port;

  public HelloController(@Value("${message}") String message, @Value("${server.port}") String port) {
    this.message = message;
    this.port = port;
  }

  @GetMapping("/")
  public String message() {
    return message;
  }

  /** Which of the copies answered. */
  @GetMapping("/id")
  public String id() {
    return port;
  }
}
