@echo off
rem datapath.exchange: this takes back what mbx3.cmd made on mbx3. Run it there as an administrator.
rem Windows Server 2008r2, roles mailbox, state enforced, scope documented, encryption prefer_encrypted, plan af3869132c47.
rem It imports mbx3-before.wfw, the whole policy of the firewall as it was: what others changed since then goes with it. Rules of mbx3.cmd that
rem are still there after that are deleted by name. Without that file it does nothing, unless it is run as mbx3-undo.cmd rules: then it deletes
rem the rules by name and leaves the profiles as they are, so that a profile that blocks will block without them.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if "%~1"=="rules" goto rules
if not exist "%~dp0mbx3-before.wfw" (echo mbx3-before.wfw is not here. Nothing was changed.& exit /b 3)
"%T%\netsh.exe" advfirewall import "%~dp0mbx3-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
:rules
"%T%\netsh.exe" advfirewall consec delete rule name="datapath.exchange ipsec admin-remote-registry 56133238" >nul 2>&1
"%T%\netsh.exe" advfirewall consec delete rule name="datapath.exchange ipsec legacy-streaming-backup 5712e76e" >nul 2>&1
"%T%\netsh.exe" advfirewall consec delete rule name="datapath.exchange ipsec ccr-scr-log-shipping 635d67be" >nul 2>&1
"%T%\netsh.exe" advfirewall consec delete rule name="datapath.exchange clear icmp 49179de9" >nul 2>&1
"%T%\netsh.exe" advfirewall mainmode delete rule name="datapath.exchange main 583ff206" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange d4478184" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 7a7905f7" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange bc3ba90b" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange a9c46e5d" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 51797c1a" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 3eeaf86b" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site 9f896c13" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop f63fd8b9" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop 750736eb" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in outlook-anywhere-back-end ca1163a7" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in oab-share-pull 93376c24" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in webdav-to-mailbox 02476fb2" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in webdav-to-mailbox 3f7e4308" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc a707d5a5" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc dea90a93" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in admin-remote-registry 3705d3c4" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in admin-remote-registry 912f9567" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 5f1dbca9" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox ef00b9c2" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in legacy-streaming-backup 09e36f8b" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in vss-backup e34ace49" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ccr-scr-seeding 7b6406f5" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ccr-scr-log-shipping aaaeb437" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi dd81621b" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in management a8dc025c" >nul 2>&1
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange ipsec admin-remote-registry 56133238|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 2& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange ipsec legacy-streaming-backup 5712e76e|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 3& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange ipsec ccr-scr-log-shipping 635d67be|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 4& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange clear icmp 49179de9|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 5& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange main 583ff206|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 6& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange d4478184|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 7& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange 7a7905f7|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 8& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange bc3ba90b|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 9& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange a9c46e5d|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 10& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange 51797c1a|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 11& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange 3eeaf86b|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 12& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in client-access-mailbox-same-site 9f896c13|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 13& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop f63fd8b9|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 14& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop 750736eb|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 15& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in outlook-anywhere-back-end ca1163a7|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 16& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in oab-share-pull 93376c24|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 17& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in webdav-to-mailbox 02476fb2|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 18& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in webdav-to-mailbox 3f7e4308|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 19& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc a707d5a5|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 20& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc dea90a93|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 21& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in admin-remote-registry 3705d3c4|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 22& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in admin-remote-registry 912f9567|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 23& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in availability-cas-to-mailbox 5f1dbca9|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 24& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in mapi-to-mailbox ef00b9c2|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 25& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in legacy-streaming-backup 09e36f8b|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 26& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in vss-backup e34ace49|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 27& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ccr-scr-seeding 7b6406f5|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 28& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ccr-scr-log-shipping aaaeb437|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 29& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in hub-to-mailbox-mapi dd81621b|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 30& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in management a8dc025c|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 31& set "FAILED=1")
if defined FAILED exit /b 1
del /q "%~dp0mbx3-before.wfw" >nul 2>&1
echo DATAPATH-DONE
exit /b 0
