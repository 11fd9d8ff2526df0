import org.springframework.security.crypto.encrypt.*;
import java.nio.file.*;
public class Vectors { public static void main(String[] a) throws Exception {
 String pem=Files.readString(Path.of("k1.pem"));
 java.security.KeyFactory kf=java.security.KeyFactory.getInstance("RSA");
 byte[] der=java.util.Base64.getMimeDecoder().decode(Files.readString(Path.of("k8.pem")).replaceAll("-----[^-]*-----",""));
 var priv=(java.security.interfaces.RSAPrivateCrtKey)kf.generatePrivate(new java.security.spec.PKCS8EncodedKeySpec(der));
 var kp=new java.security.KeyPair(kf.generatePublic(new java.security.spec.RSAPublicKeySpec(priv.getModulus(),priv.getPublicExponent())),priv);
 String text="mysecret \u00e9 {x}";
 System.out.println("text foo deadbeef "+Encryptors.text("foo","deadbeef").encrypt(text));
 System.out.println("delux foo deadbeef "+Encryptors.delux("foo","deadbeef").encrypt(text));
 System.out.println("text empty "+Encryptors.text("foo","deadbeef").encrypt(""));
 for (RsaAlgorithm alg: RsaAlgorithm.values()) for (boolean strong: new boolean[]{false,true}) for (String salt: new String[]{"deadbeef","0badcafe"}) {
  RsaSecretEncryptor e=new RsaSecretEncryptor(kp,alg,salt,strong);
  System.out.println("rsa "+alg+" "+strong+" "+salt+" "+e.encrypt(text));
 }
 System.out.println("pem "+new RsaSecretEncryptor(pem).encrypt(text));
 System.out.println("key "+new RsaSecretEncryptor(pem).getPublicKey());
 try { System.out.println("pk8 "+new RsaSecretEncryptor(Files.readString(Path.of("k8.pem"))).getPublicKey().length()); } catch(Exception e){System.out.println("pk8 "+e);}
 RsaSecretEncryptor p=null; try { p=new RsaSecretEncryptor(Files.readString(Path.of("pub.pem"))); System.out.println("pub "+p.canDecrypt()); } catch(Exception e){System.out.println("pub "+e);}
 try { p=new RsaSecretEncryptor(new RsaSecretEncryptor(pem).getPublicKey()); System.out.println("sshpub "+p.canDecrypt()); } catch(Exception e){System.out.println("sshpub "+e);}
}}
