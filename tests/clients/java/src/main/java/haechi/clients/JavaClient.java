package haechi.clients;

import com.netflix.discovery.EurekaClient;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.ConfigurableApplicationContext;
import org.springframework.core.env.Environment;

/** Registers, fetches, and prints what it sees as {@code SEES {...}} lines until its standard input ends. */
@SpringBootApplication
public class JavaClient {
  private static final List<String> KEYS =
      List.of("order.winner", "myapp.text", "myapp.list[0]", "myapp.db", "config.client.version");

  public static void main(String[] args) throws Exception {
    ConfigurableApplicationContext context = SpringApplication.run(JavaClient.class, args);
    Thread printer = new Thread(() -> print(context), "printer");
    printer.setDaemon(true);
    printer.start();
    while (System.in.read() >= 0) {
      // Only the end of the input says something.
    }
    System.exit(SpringApplication.exit(context));
  }

  private static void print(ConfigurableApplicationContext context) {
    try {
      while (true) {
        System.out.println("SEES {\"config\":" + config(context.getEnvironment()) + ",\"apps\":" + apps(context) + "}");
        Thread.sleep(200);
      }
    } catch (InterruptedException | IllegalStateException ended) {
      // The context is closing.
    }
  }

  private static String apps(ConfigurableApplicationContext context) {
    Map<String, List<String>> apps = new TreeMap<>();
    context.getBean(EurekaClient.class).getApplications().getRegisteredApplications()
        .forEach(app -> apps.put(app.getName(), app.getInstances().stream().map(each -> each.getId()).sorted().toList()));
    return apps.entrySet().stream()
        .map(app -> quoted(app.getKey()) + ":[" + app.getValue().stream().map(JavaClient::quoted).collect(Collectors.joining(",")) + "]")
        .collect(Collectors.joining(",", "{", "}"));
  }

  private static String config(Environment environment) {
    return KEYS.stream()
        .filter(environment::containsProperty)
        .map(key -> quoted(key) + ":" + quoted(environment.getProperty(key)))
        .collect(Collectors.joining(",", "{", "}"));
  }

  private static String quoted(String text) {
    return '"' + text.replace("\\", "\\\\").replace("\"", "\\\"") + '"';
  }
}
