package helloworld;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;

@SpringBootApplication
public class HelloworldService {
  public static void main(String[] args) {
    SpringApplication.run(HelloworldService.class, args);
  }
}
